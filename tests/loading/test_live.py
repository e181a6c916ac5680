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


def test_live_attention_layers_keep_the_policies_of_their_projections(tmp_path: Path) -> None:
    script = SCRIPT.with_name("check_live_quantized.py")
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-4000:]
    measured = json.loads((tmp_path / "measured.json").read_text())
    # No level falls to its neighbour on these samples, so that all agree as float32 does.
    assert max(measured.values()) < 1e-5, measured
    assert len(measured) == 5
