"""A small model, and bundles of it, without Keras and without a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from kexport.contracts import Artifact, Companions, Sample
from kexport.ir import Builder, Graph, TensorType, Value
from kexport_targets.web import TARGET
from support.graphs import expected, graph_of

OPTIONS = {option.name: option.default for option in TARGET.options}


def images(batch: Any = 1) -> Graph:
    """Images of 8 × 8 to three shares: a convolution, a batch normalization, a pool, a dense layer."""
    generator = np.random.default_rng(0)

    def numbers(*shape: int) -> np.ndarray:
        return generator.normal(size=shape).astype(np.float32) / 3

    def body(b: Builder, x: Value) -> dict[str, Value]:
        b.origin = "conv"
        y = b.op(
            "conv",
            x,
            b.constant(numbers(3, 3, 1, 6)),
            None,
            strides=(1, 1),
            dilations=(1, 1),
            padding=((1, 1), (1, 1)),
        )
        b.origin = "norm"
        y = b.op("mul", y, b.constant(1 + numbers(6)))
        b.origin = "relu"
        y = b.op("relu", y)
        b.origin = "pool"
        y = b.op("reduce_mean", y, axes=(1, 2), keepdims=False)
        b.origin = "digit"
        return {"digit": b.op("softmax", b.op("dense", y, b.constant(numbers(6, 3)), None), axis=1)}

    return graph_of(
        {"image": TensorType("float32", (batch, 8, 8, 1))}, body, ["conv", "norm", "relu", "pool", "digit"]
    )


CLASSES = {
    "conv": "Conv2D",
    "norm": "BatchNormalization",
    "relu": "ReLU",
    "pool": "GlobalAveragePooling2D",
    "digit": "Dense",
}


def emitted(folder: Path, graph: Graph | None = None, **given: Any) -> Artifact:
    """A bundle as it is emitted."""
    options = OPTIONS | given
    folder.mkdir(parents=True, exist_ok=True)
    return TARGET.emit(TARGET.legalize(graph or images(), options), folder, options)


def finished(folder: Path, *, examples: int = 0, **given: Any) -> Artifact:
    """A bundle with its golden sample, and so many more."""

    def sample(start: int) -> Sample:
        x = np.linspace(start, start + 1, 64, dtype=np.float32).reshape(1, 8, 8, 1)
        (y,) = expected(images(), [x])
        return Sample({"image": x}, {"digit": y}, "Keras 3.15.1", 5e-3, {"digit": 1.0}, {"digit": 1.0})

    artifact = emitted(folder, **given)
    first, *others = map(sample, range(1 + examples))
    return TARGET.finish(artifact, folder, Companions({"name": "small <digits>"}, CLASSES, first, others))
