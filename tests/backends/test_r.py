"""The example that trains and exports from R."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import kexport

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "r" / "train_and_export.R"

WAY = "apt-get install --no-install-recommends r-base-core r-cran-reticulate"


def lacking() -> str:
    """What of R is not here; empty where all is."""
    if shutil.which("Rscript") is None:
        return f"R is not installed: {WAY}"
    done = subprocess.run(["Rscript", "-e", "library(reticulate)"], capture_output=True, check=False)
    return f"R has no reticulate: {WAY}" if done.returncode else ""


@pytest.mark.slow
def test_a_model_is_trained_and_exported_from_r(tmp_path: Path) -> None:
    why = lacking()
    if why:
        pytest.skip(why)
    done = subprocess.run(
        ["Rscript", str(SCRIPT), str(tmp_path)],
        env={**os.environ, "RETICULATE_PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "tflite: verified" in done.stdout
    assert "onnx: verified" in done.stdout
    right = int(done.stdout.partition("%")[0])
    assert right > 90
    # Whoever gets the folder can run it again.
    assert kexport.verify(tmp_path / "iris_export").passed
