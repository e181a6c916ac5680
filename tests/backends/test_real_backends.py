"""The real frameworks: set up from nothing, models trained in them, exported, and compared with what they compute.

CNTK and Theano in every run of the tests; the others, and all targets, in the slow ones.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import kexport
from kexport import backends
from support.real_backends import MXNET19, PLACES, only_where_possible, project_backends, written_by
from support.targets import TARGETS

SCRIPT = Path(__file__).with_name("train_small.py")
KERAS1 = "keras1-theano"

pytestmark = only_where_possible


def check(name: str, target: str, folder: Path) -> None:
    """Every model that was trained in the environment computes in the target what it computes there, to 1e-5."""
    place = PLACES[name]
    backend = backends.RECIPES[place.recipe].backend
    models = sorted(written_by(name, SCRIPT).glob("*.h5"))
    assert len(models) == (4 if backend == "mxnet" else 5)
    for model in models:
        with project_backends(place.home):
            result = kexport.export(
                model,
                target=target,
                output=folder / model.stem,
                trained_on=backend if name == KERAS1 else None,
            )
        (made,) = result.targets
        assert (model.stem, made.status, made.reason) == (model.stem, "verified", "")
        assert made.verdict is not None
        assert made.verdict.tolerance <= 1e-5
        if name != "tensorflow1":
            assert backend in made.verdict.reference


@pytest.mark.parametrize("name", ["cntk", "theano"])
def test_models_trained_in(name: str, tmp_path: Path) -> None:
    check(name, "tflite", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", ["cntk", "theano", "mxnet", MXNET19, KERAS1, "tensorflow1"])
def test_models_trained_in_each_on_every_target(name: str, target: str, tmp_path: Path) -> None:
    check(name, target, tmp_path)
