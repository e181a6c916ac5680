"""Normalizations. Source: coremltools 9.0, mil/ops/defs/iOS15/normalization.py."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kexport_runtimes.coreml.errors import ComputeError
from kexport_runtimes.coreml.ops.arguments import axes_of
from kexport_runtimes.coreml.registry import op
from kexport_runtimes.coreml.values import checked_size

Array = NDArray[Any]


@op("batch_norm")
def batch_norm(
    x: Array,
    mean: Array,
    variance: Array,
    gamma: Array | None = None,
    beta: Array | None = None,
    epsilon: float | Array = 1e-5,
) -> Any:
    """gamma (x - mean) / √(variance + epsilon) + beta, by channel."""
    scale = 1 / np.sqrt(variance + np.float32(epsilon))
    if gamma is not None:
        scale = scale * gamma
    shift = -mean * scale if beta is None else beta - mean * scale
    return x * _by_channel(scale, x) + _by_channel(shift, x)


@op("instance_norm")
def instance_norm(
    x: Array, gamma: Array | None = None, beta: Array | None = None, epsilon: float | Array = 1e-5
) -> Any:
    """Each channel of each sample, normalized over space."""
    normal = _normalized(x, tuple(range(2, x.ndim)), epsilon)
    if gamma is not None:
        normal = normal * _by_channel(gamma, x)
    return normal if beta is None else normal + _by_channel(beta, x)


@op("layer_norm")
def layer_norm(
    x: Array,
    axes: Any = None,
    gamma: Array | None = None,
    beta: Array | None = None,
    epsilon: float | Array = 1e-5,
) -> Any:
    """Normalized over the axes; gamma and beta have the shape of these."""
    chosen = axes_of(axes, x.ndim)
    normal = _normalized(x, chosen, epsilon)
    shape = [size if axis in chosen else 1 for axis, size in enumerate(x.shape)]
    if gamma is not None:
        normal = normal * gamma.reshape(shape)
    return normal if beta is None else normal + beta.reshape(shape)


@op("l2_norm")
def l2_norm(x: Array, epsilon: float | Array = 1e-6) -> Any:
    """x over the root of its sum of squares plus epsilon, over the last three axes."""
    if x.ndim < 3:
        raise ComputeError(f"takes a tensor of rank 3 or more. Received: {x.shape}")
    total = np.sum(np.square(x), axis=(-3, -2, -1), keepdims=True)
    return x / np.sqrt(total + np.float32(epsilon))


@op("local_response_norm")
def local_response_norm(
    x: Array,
    size: Array,
    alpha: float | Array = 1e-4,
    beta: float | Array = 0.75,
    k: float | Array = 1.0,
) -> Any:
    """x / (k + alpha / size · Σ x²)^beta, the sum over ``size`` neighbouring channels."""
    width = int(size)
    if width < 1:
        raise ComputeError(f"takes a size of at least 1. Received: {width}")
    checked_size([len(x), x.shape[1] + width, *x.shape[2:]])
    squares = np.square(x)
    # As PyTorch places the window: the channel's own is at size // 2.
    before, after = width // 2, (width - 1) // 2
    edges = [(0, 0), (before + 1, after), *[(0, 0)] * (x.ndim - 2)]
    sums = np.cumsum(np.pad(squares, edges), axis=1, dtype=np.float64)
    total = (sums[:, width:] - sums[:, : x.shape[1]]).astype(np.float32)
    return x / np.power(np.float32(k) + np.float32(alpha) / width * total, np.float32(beta))


def _normalized(x: Array, axes: tuple[int, ...], epsilon: float | Array) -> Array:
    centred = x - np.mean(x, axis=axes, keepdims=True)
    variance = np.mean(np.square(centred), axis=axes, keepdims=True)
    normal: Array = centred / np.sqrt(variance + np.float32(epsilon))
    return normal


def _by_channel(values: Array, x: Array) -> Array:
    return values.reshape(-1, *[1] * (x.ndim - 2))
