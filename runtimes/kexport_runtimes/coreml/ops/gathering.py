"""Elements at indices. Source: coremltools 9.0, mil/ops/defs/iOS15/scatter_gather.py, iOS16 and iOS17.

Before iOS 17 negative indices count from the end. Since then they are out of bounds: refused with ``validate_indices``,
otherwise undefined, for which this interpreter counts from the end, too, and takes the nearest element of what is beyond.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kexport_runtimes.coreml.errors import ComputeError
from kexport_runtimes.coreml.ops.arguments import axis_of
from kexport_runtimes.coreml.registry import op
from kexport_runtimes.coreml.values import checked_size

Array = NDArray[Any]


@op("gather")
def gather(
    x: Array, indices: Array, axis: Any = 0, batch_dims: Any = 0, validate_indices: Any = False
) -> Array:
    """Slices of an axis; leading ``batch_dims`` axes are shared with the indices."""
    at, shared = axis_of(axis, x.ndim), int(batch_dims)
    at_indices = in_bounds(indices, x.shape[at], validate_indices)
    checked_size([*x.shape[:at], *indices.shape[shared:], *x.shape[at + 1 :]])
    if not shared:
        return np.take(x, at_indices, axis=at)
    _check_shared(x, indices, shared, at)
    rows = [
        np.take(part, positions, axis=at - shared)
        for part, positions in zip(_merged(x, shared), _merged(at_indices, shared), strict=True)
    ]
    return np.stack(rows).reshape(*x.shape[:at], *indices.shape[shared:], *x.shape[at + 1 :])


@op("gather_along_axis")
def gather_along_axis(x: Array, indices: Array, axis: Any = 0, validate_indices: Any = False) -> Array:
    """For each place of ``indices``, the element there, with the index on one axis."""
    at = axis_of(axis, x.ndim)
    return np.take_along_axis(x, in_bounds(indices, x.shape[at], validate_indices), axis=at)


@op("gather_nd")
def gather_nd(x: Array, indices: Array, batch_dims: Any = 0, validate_indices: Any = False) -> Array:
    """The last axis of ``indices`` holds positions on x's leading axes, after the shared ones."""
    shared = int(batch_dims)
    _check_shared(x, indices, shared, shared)
    depth = indices.shape[-1]
    checked_size([*indices.shape[:-1], *x.shape[shared + depth :]])
    positions = tuple(
        in_bounds(indices[..., axis], x.shape[shared + axis], validate_indices) for axis in range(depth)
    )
    batch = tuple(
        np.arange(size).reshape(*[1] * axis, size, *[1] * (indices.ndim - 2 - axis))
        for axis, size in enumerate(x.shape[:shared])
    )
    part: Array = x[(*batch, *positions)]
    return part


def in_bounds(indices: Array, size: int, validate: Any) -> Array:
    """Indices within 0..size-1.

    Raises:
        ComputeError: ``validate``, and one is outside; or there is nothing to choose from.
    """
    positions = indices.astype(np.int64)
    if positions.size and (bool(validate) or not size) and (positions.min() < 0 or positions.max() >= size):
        raise ComputeError(
            f"takes indices within 0..{size - 1}. Received: {positions.min()}..{positions.max()}"
        )
    wrapped = np.where(positions < 0, positions + size, positions)
    return np.clip(wrapped, 0, max(size - 1, 0))


def _check_shared(x: Array, indices: Array, shared: int, limit: int) -> None:
    if not 0 <= shared <= min(limit, indices.ndim) or x.shape[:shared] != indices.shape[:shared]:
        raise ComputeError(f"shares {shared} leading axes. Received: {x.shape}, indices {indices.shape}")


def _merged(x: Array, shared: int) -> Array:
    return x.reshape(-1, *x.shape[shared:])
