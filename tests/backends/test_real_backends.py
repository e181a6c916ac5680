"""The real frameworks: set up from nothing, models trained in them, exported, and compared with what they compute."""

from __future__ import annotations

from pathlib import Path

import pytest

import kexport
from kexport import backends

SCRIPT = Path(__file__).with_name("train_small.py")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cntk", "theano", "keras1-theano", "tensorflow1"])
def test_models_trained_in(name: str, tmp_path: Path) -> None:
    backends.setup(name)
    assert backends.run(name, ["python", str(SCRIPT), str(tmp_path)]) == 0
    trained_on = "theano" if name == "keras1-theano" else None
    for model in sorted(tmp_path.glob("*.h5")):
        result = kexport.export(model, output=tmp_path / model.stem, trained_on=trained_on)
        (target,) = result.targets
        assert (target.status, target.reason) == ("verified", "")
        assert target.verdict is not None
        if name != "tensorflow1":
            assert backends.RECIPES[name].backend in target.verdict.reference
