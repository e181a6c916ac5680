"""``make demos``: the models train, their bundles are right, and their pages do what the demos are for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kexport_runtimes.browser import programs

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "examples" / "demos" / "build.py"


@pytest.mark.slow
@pytest.mark.usefixtures("browser")
def test_the_demos(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-W", "ignore", str(BUILD), str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    assert built.stdout.count("are those of Keras") == 5, built.stdout
    program = programs.find()
    assert program is not None
    environment = {**os.environ, "KEXPORT_DEMOS": str(tmp_path), "KEXPORT_BROWSER": program.path}
    shown = subprocess.run(
        ["node", "node_modules/vitest/vitest.mjs", "run", "test/demos.test.ts"],
        cwd=ROOT / "runtimes" / "web",
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "skipped" not in shown.stdout
