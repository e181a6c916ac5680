"""What real Keras 3 and tf_keras saved is read with every weight and every call in its place."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from kexport.loading import LayerSpec, ModelSpec, load
from support.making import made

SCRIPT = Path(__file__).with_name("make_models.py")
PACKAGES = ("keras", "tf_keras")
MODELS = ("functional", "sequential", "cells")
FORMS = ("keras", "h5", "json")


@pytest.fixture(scope="session")
def folder() -> Path:
    commands = [[str(SCRIPT), package] for package in PACKAGES]
    return made("loading", scripts=[SCRIPT], packages=["keras", "tf_keras", "h5py"], commands=commands)


def loaded(folder: Path, package: str, model: str, form: str) -> ModelSpec:
    stem = f"{package}-{model}"
    weights = folder / f"{stem}.weights.h5" if form == "json" else None
    return load(folder / f"{stem}.{form}", weights=weights)


def leaves(layer: LayerSpec) -> list[np.ndarray]:
    """The weights of a layer and what it wraps, in Keras's order."""
    found = [weight.numpy() for weight in layer.weights.values()]
    return found + [array for child in layer.children.values() for array in leaves(child)]


def by_path(model: ModelSpec) -> dict[str, LayerSpec]:
    return {layer.path: layer for layer in model.walk()}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("package", PACKAGES)
def test_every_weight_is_the_one_that_keras_has(folder: Path, package: str, model: str, form: str) -> None:
    layers = by_path(loaded(folder, package, model, form))
    truth = np.load(folder / f"{package}-{model}.npz")
    expected: dict[str, list[np.ndarray]] = {}
    for key in truth.files:
        expected.setdefault(key.rpartition("|")[0], []).append(truth[key])
    assert expected
    for path, arrays in expected.items():
        mine = leaves(layers[path])
        assert len(mine) == len(arrays), path
        for own, theirs in zip(mine, arrays, strict=True):
            np.testing.assert_array_equal(own, theirs, err_msg=path)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("package", PACKAGES)
def test_inputs_outputs_and_calls(folder: Path, package: str, form: str) -> None:
    model = loaded(folder, package, "functional", form)
    facts = json.loads((folder / f"{package}-functional.facts.json").read_text())
    assert list(model.input_names) == facts["inputs"] == ["image", "vector"]
    assert list(model.output_names) == facts["outputs"]
    assert [ref.layer for ref in model.outputs] == ["normal", "outer"]
    shared = model.layer("shared")
    assert [[ref.layer for ref in call.tensors()] for call in shared.calls] == [["pool"], ["vector"]]
    assert [(ref.layer, ref.call) for ref in model.layer("sum").calls[0].tensors()] == [
        ("shared", 0),
        ("shared", 1),
    ]
    assert model.provenance.keras_major == (3 if package == "keras" else 2)


@pytest.mark.parametrize("package", PACKAGES)
def test_dict_outputs_are_in_the_order_of_their_sorted_keys(folder: Path, package: str) -> None:
    model = loaded(folder, package, "cells", "keras")
    assert model.output_names == ("a", "b")
    assert [ref.layer for ref in model.outputs] == ["single", "stack"]


@pytest.mark.parametrize("package", PACKAGES)
def test_the_three_forms_of_a_file_give_one_vocabulary(folder: Path, package: str) -> None:
    configs = [
        [
            (layer.path, layer.class_name, layer.config)
            for layer in loaded(folder, package, "functional", form).walk()
        ]
        for form in ("keras", "h5")
    ]
    for one, other in zip(*configs, strict=True):
        assert one == other
