"""Random tensors. Source: coremltools 9.0, mil/ops/defs/iOS15/random.py.

Core ML does not say which generator it has: values differ from a device's, their distribution does not. With a seed of 0 or
more they are the same in every run, as there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kexport_runtimes.coreml.errors import ComputeError
from kexport_runtimes.coreml.ops.activations import softmax
from kexport_runtimes.coreml.ops.arguments import ints, one_of
from kexport_runtimes.coreml.registry import op
from kexport_runtimes.coreml.values import checked_size

Array = NDArray[Any]


@op("random_bernoulli")
def random_bernoulli(shape: Any, prob: Any = 0.5, seed: Any = -1) -> Array:
    """1 with that probability, 0 elsewhere."""
    drawn = _generator(seed).random(checked_size(ints(shape)))
    return np.asarray(drawn < float(prob), np.float32)


@op("random_normal")
def random_normal(shape: Any, mean: Any = 0.0, stddev: Any = 1.0, seed: Any = -1) -> Array:
    """Of a normal distribution."""
    drawn = _generator(seed).normal(float(mean), float(stddev), checked_size(ints(shape)))
    return np.asarray(drawn, np.float32)


@op("random_uniform")
def random_uniform(shape: Any, low: Any = 0.0, high: Any = 1.0, seed: Any = -1) -> Array:
    """Evenly within low..high."""
    drawn = _generator(seed).uniform(float(low), float(high), checked_size(ints(shape)))
    return np.asarray(drawn, np.float32)


@op("random_categorical")
def random_categorical(x: Array, mode: str = "logits", size: Any = 1, seed: Any = -1) -> Any:
    """Classes by their logits or probabilities, on the last axis; ``size`` of them, drawn independently."""
    one_of(mode, ("logits", "probs"), "mode")
    shares = softmax(x) if mode == "logits" else x / np.sum(x, axis=-1, keepdims=True)
    shape = checked_size([*x.shape[:-1], int(size)])
    if x.shape[-1] < 1:
        raise ComputeError("draws from at least one class. Received: none")
    drawn = _generator(seed).random(shape)
    classes = np.sum(np.cumsum(shares, axis=-1)[..., None, :] < drawn[..., None], axis=-1)
    return np.minimum(classes, x.shape[-1] - 1).astype(np.float32)


def _generator(seed: Any) -> np.random.Generator:
    number = int(seed)
    return np.random.default_rng(number if number >= 0 else None)
