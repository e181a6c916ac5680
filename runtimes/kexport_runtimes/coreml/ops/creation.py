"""Tensors from few numbers, and sums along an axis. Source: coremltools 9.0, mil/ops/defs/iOS15/tensor_operation.py."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kexport_runtimes.coreml.errors import ComputeError
from kexport_runtimes.coreml.ops.arguments import axis_of, ints
from kexport_runtimes.coreml.registry import op
from kexport_runtimes.coreml.values import checked_size

Array = NDArray[Any]


@op("fill")
def fill(shape: Any, value: Any = 0.0) -> Array:
    """A tensor of one value."""
    return np.full(checked_size(ints(shape)), value)


@op("fill_like", since="iOS16")
def fill_like(ref_tensor: Array, value: Any = 0.0) -> Array:
    """A tensor of one value, in another's shape."""
    return np.full(ref_tensor.shape, value)


@op("range_1d")
def range_1d(end: Array, start: Array, step: Array) -> Array:
    """start, start + step, … before end."""
    if not step:
        raise ComputeError("takes a step other than 0.")
    count = int(np.ceil((np.float64(end) - np.float64(start)) / np.float64(step)))
    checked_size([max(count, 0)])
    return (start + np.arange(max(count, 0)) * step).astype(start.dtype)


@op("one_hot")
def one_hot(
    indices: Array,
    one_hot_vector_size: Any,
    axis: Any = -1,
    on_value: Any = 1,
    off_value: Any = 0,
) -> Any:
    """Vectors of off_value with on_value at the index, along a new axis; an index outside has none."""
    size = int(one_hot_vector_size)
    at = axis_of(axis, indices.ndim + 1)
    checked_size([size, *indices.shape])
    hot = np.moveaxis(indices[..., None] == np.arange(size), -1, at)
    return np.where(hot, on_value, off_value)


@op("non_zero")
def non_zero(x: Array) -> Array:
    """The positions of elements that aren't 0, a row each."""
    return np.argwhere(x).astype(np.int32)


@op("cumsum")
def cumsum(x: Array, axis: Any = 0, exclusive: Any = False, reverse: Any = False) -> Array:
    """Sums along an axis up to each element, or up to the one before; or from the end."""
    at = axis_of(axis, x.ndim)
    ordered = np.flip(x, at) if reverse else x
    sums = np.cumsum(ordered, axis=at, dtype=x.dtype)
    if exclusive:
        sums = np.concatenate([np.zeros_like(np.take(sums, [0], at)), np.delete(sums, -1, at)], axis=at)
    return np.flip(sums, at) if reverse else sums
