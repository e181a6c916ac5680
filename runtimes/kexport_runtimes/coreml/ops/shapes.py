"""Shapes, and joining and splitting. Source: coremltools 9.0, mil/ops/defs/iOS15/tensor_transformation.py and tensor_operation.py."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kexport_runtimes.coreml.errors import ComputeError
from kexport_runtimes.coreml.ops.arguments import axes_of, axis_of, flags, ints, several
from kexport_runtimes.coreml.registry import op
from kexport_runtimes.coreml.values import checked_size

Array = NDArray[Any]


@op("identity")
def identity(x: Any) -> Any:
    """x."""
    return x


@op("shape")
def shape_of(x: Array) -> Array:
    """The sizes of x."""
    return np.array(x.shape, np.int32)


@op("reshape")
def reshape(x: Array, shape: Any) -> Array:
    """x in another shape; 0 keeps the dimension at the same place, -1 is what is left."""
    sizes = ints(shape)
    if 0 in sizes and len(sizes) != x.ndim and x.size:
        raise ComputeError(
            f"keeps dimensions (0) of a shape of the same rank. Received: {x.shape} to {sizes}"
        )
    kept = [
        old if new == 0 and x.size else new
        for old, new in zip(_padded(x.shape, len(sizes)), sizes, strict=True)
    ]
    return x.reshape(kept)


@op("reshape", since="iOS17")
def reshape_from_the_right(x: Array, shape: Any) -> Array:
    """x in another shape; 0 keeps the dimension at the same place, counted from the last one, -1 is what is left."""
    sizes = ints(shape)
    kept = [old if new == 0 else new for old, new in zip(_padded(x.shape, len(sizes)), sizes, strict=True)]
    return x.reshape(kept)


def _padded(shape: tuple[int, ...], rank: int) -> list[int]:
    """The shape's last ``rank`` sizes, 1 where it has fewer."""
    return [1] * max(0, rank - len(shape)) + list(shape[max(0, len(shape) - rank) :])


@op("reshape_like", since="iOS16")
def reshape_like(x: Array, ref_tensors: Any, begins: Any, ends: Any, end_masks: Any) -> Array:
    """x in a shape put together from parts of other tensors' shapes."""
    sizes: list[int] = []
    spans = zip(several(ref_tensors), ints(begins), ints(ends), flags(end_masks), strict=True)
    for reference, begin, end, to_the_end in spans:
        sizes.extend(reference.shape[begin : None if to_the_end else end])
    return x.reshape(sizes)


@op("expand_dims")
def expand_dims(x: Array, axes: Any) -> Array:
    """x with axes of size 1, at those places of the result."""
    return np.expand_dims(x, tuple(ints(axes)))


@op("squeeze")
def squeeze(x: Array, axes: Any = None) -> Array:
    """x without those axes, which have size 1; without all of size 1 where none are given."""
    return np.squeeze(x, None if axes is None else axes_of(axes, x.ndim))


@op("transpose")
def transpose(x: Array, perm: Any) -> Array:
    """x with its axes in another order."""
    return np.transpose(x, axes_of(perm, x.ndim))


@op("flatten2d")
def flatten2d(x: Array, axis: int | Array = 1) -> Array:
    """x of rank 2: the axes before ``axis`` in the first, the others in the second."""
    at = int(axis)
    at = at + x.ndim if at < 0 else at
    return (
        x.reshape(math.prod(x.shape[:at]), -1)
        if x.size
        else x.reshape(math.prod(x.shape[:at]), math.prod(x.shape[at:]))
    )


@op("concat")
def concat(values: Any, axis: Any, interleave: Any = False) -> Array:
    """Tensors one after the other along an axis; interleaved, the first slice of each, then the second of each."""
    parts = several(values)
    at = axis_of(axis, parts[0].ndim)
    checked_size([sum(part.size for part in parts)])
    if not interleave:
        return np.concatenate(parts, axis=at)
    stacked = np.stack(parts, axis=at + 1)
    shape = parts[0].shape
    return stacked.reshape(*shape[:at], shape[at] * len(parts), *shape[at + 1 :])


@op("stack")
def stack(values: Any, axis: Any) -> Array:
    """Tensors of one shape along a new axis."""
    parts = several(values)
    checked_size([len(parts), *parts[0].shape])
    return np.stack(parts, axis=int(axis))


@op("split")
def split(x: Array, axis: Any, num_splits: Any = None, split_sizes: Any = None) -> tuple[Array, ...]:
    """Parts along an axis, of equal or of given sizes."""
    at = axis_of(axis, x.ndim)
    if split_sizes is None:
        return tuple(np.split(x, int(num_splits), axis=at))
    sizes = ints(split_sizes)
    if sum(sizes) != x.shape[at] or min(sizes) < 0:
        raise ComputeError(f"splits {x.shape[at]} elements into sizes that add up to it. Received: {sizes}")
    return tuple(np.split(x, np.cumsum(sizes)[:-1], axis=at))


@op("tile")
def tile(x: Array, reps: Any) -> Array:
    """x, repeated along each axis."""
    times = ints(reps)
    if len(times) != x.ndim:
        raise ComputeError(f"takes a repetition for each axis of {x.shape}. Received: {times}")
    checked_size([size * time for size, time in zip(x.shape, times, strict=True)])
    return np.tile(x, times)
