"""Live models, and the tables of defaults and variables, against the installed Kerases."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("check_live.py")


@pytest.mark.parametrize("package", ["keras", "tf_keras"])
def test_live_models_and_tables_agree_with_keras(package: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), package, str(tmp_path)], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert json.loads((tmp_path / "problems.json").read_text()) == []
