"""Small models written by hand, and what they compute, worked out in NumPy: no Keras is started for them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from kexport.reference import Golden, save_golden


def dense_config(name: str, units: int, activation: str, **more: Any) -> dict[str, Any]:
    return {
        "class_name": "Dense",
        "config": {"name": name, "units": units, "activation": activation, "use_bias": True, **more},
    }


def layers_of(first: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """4 → 5 (relu) → 3 (softmax); ``first`` replaces the first layer's entry."""
    head = dense_config("hidden", 5, "relu", batch_input_shape=[None, 4])
    return [dict(first) if first else head, dense_config("scores", 3, "softmax")]


def weights() -> dict[str, list[np.ndarray]]:
    rng = np.random.RandomState(3)
    return {
        "hidden": [rng.randn(4, 5).astype("f4"), rng.randn(5).astype("f4")],
        "scores": [rng.randn(5, 3).astype("f4"), rng.randn(3).astype("f4")],
    }


def write_model(
    path: Path, *, layers: list[dict[str, Any]] | None = None, backend: str = "tensorflow"
) -> Path:
    """A Sequential model as Keras 2.2.4 wrote it."""
    config = {"class_name": "Sequential", "config": {"name": "tiny", "layers": layers or layers_of()}}
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = b"2.2.4"
        file.attrs["backend"] = backend.encode()
        file.attrs["model_config"] = json.dumps(config).encode()
        group = file.create_group("model_weights")
        group.attrs["keras_version"] = b"2.2.4"
        group.attrs["backend"] = backend.encode()
        group.attrs["layer_names"] = [name.encode() for name in weights()]
        for name, arrays in weights().items():
            own = group.create_group(name)
            names = [f"{name}/kernel:0", f"{name}/bias:0"]
            own.attrs["weight_names"] = [text.encode() for text in names]
            for text, array in zip(names, arrays, strict=True):
                own[text] = array
    return path


def predict(x: np.ndarray) -> np.ndarray:
    given = weights()
    hidden = np.maximum(x @ given["hidden"][0] + given["hidden"][1], 0)
    logits = hidden @ given["scores"][0] + given["scores"][1]
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return (raised / raised.sum(axis=-1, keepdims=True)).astype("f4")


def write_golden(
    path: Path, *, input_name: str = "hidden_input", error: float = 0.0, layers: bool = False
) -> Path:
    """What the model computes; ``error`` is added to the outputs."""
    x = np.random.RandomState(7).randn(6, 4).astype("f4")
    given = weights()
    recorded = (
        {"hidden": np.maximum(x @ given["hidden"][0] + given["hidden"][1], 0).astype("f4")} if layers else {}
    )
    meta = {"keras": "2.2.4", "backend": "tensorflow 1.15", "library": "keras"}
    save_golden(Golden({input_name: x}, {"scores": predict(x) + np.float32(error)}, recorded, meta), path)
    return path
