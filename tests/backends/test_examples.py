"""``make backends``, backend by backend: the models of examples/train on the real frameworks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kexport import backends
from support.real_backends import MXNET19, PLACES, ready

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "train" / "all_backends.py"


@pytest.mark.slow
@pytest.mark.parametrize("name", [*backends.RECIPES, MXNET19])
def test_trained_and_exported_to_every_target(name: str, tmp_path: Path) -> None:
    ready(name)
    place = PLACES[name]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(SCRIPT), "--folder", str(tmp_path), "--backend", place.recipe],
        env={**os.environ, "KEXPORT_BACKENDS": str(place.home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
