"""Elements at indices. Source: coremltools 9.0, mil/ops/defs/iOS15/scatter_gather.py, iOS16 and iOS17."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kexport_runtimes.coreml.errors import ComputeError
from kexport_runtimes.coreml.ops.arguments import axis_of
from kexport_runtimes.coreml.ops.indices import positions, undefined
from kexport_runtimes.coreml.registry import Call, op
from kexport_runtimes.coreml.values import checked_size

Array = NDArray[Any]


@op("gather")
def gather(
    call: Call, x: Array, indices: Array, axis: Any = 0, batch_dims: Any = 0, validate_indices: Any = False
) -> Array:
    """Slices of an axis; leading ``batch_dims`` axes are shared with the indices."""
    at, shared = axis_of(axis, x.ndim), int(batch_dims)
    where = positions(indices, x.shape[at], validate=validate_indices, opset=call.opset)
    _check_shared(x, indices, shared, at)
    shape = (*x.shape[:at], *indices.shape[shared:], *x.shape[at + 1 :])
    checked_size(shape)
    if shared:
        rows = zip(_merged(x, shared), _merged(where.safe, shared), strict=True)
        found = np.stack([np.take(part, inner, axis=at - shared) for part, inner in rows]).reshape(shape)
    else:
        found = np.take(x, where.safe, axis=at)
    ones = (1,) * (at - shared), (1,) * (x.ndim - at - 1)
    outside = where.outside.reshape(*indices.shape[:shared], *ones[0], *indices.shape[shared:], *ones[1])
    return undefined(found, outside)


@op("gather_along_axis")
def gather_along_axis(
    call: Call, x: Array, indices: Array, axis: Any = 0, validate_indices: Any = False
) -> Array:
    """For each place of ``indices``, the element there, with the index on one axis."""
    at = axis_of(axis, x.ndim)
    where = positions(indices, x.shape[at], validate=validate_indices, opset=call.opset)
    return undefined(np.take_along_axis(x, where.safe, axis=at), where.outside)


@op("gather_nd")
def gather_nd(
    call: Call, x: Array, indices: Array, batch_dims: Any = 0, validate_indices: Any = False
) -> Array:
    """The last axis of ``indices`` holds positions on x's leading axes, after the shared ones."""
    shared, depth = int(batch_dims), indices.shape[-1]
    _check_shared(x, indices, shared, shared)
    checked_size([*indices.shape[:-1], *x.shape[shared + depth :]])
    where = [
        positions(indices[..., axis], x.shape[shared + axis], validate=validate_indices, opset=call.opset)
        for axis in range(depth)
    ]
    batch = tuple(
        np.arange(size).reshape(*[1] * axis, size, *[1] * (indices.ndim - 2 - axis))
        for axis, size in enumerate(x.shape[:shared])
    )
    found = x[(*batch, *(item.safe for item in where))]
    outside = np.any([item.outside for item in where], axis=0)
    return undefined(found, outside.reshape(*outside.shape, *[1] * (found.ndim - outside.ndim)))


def _check_shared(x: Array, indices: Array, shared: int, limit: int) -> None:
    if not 0 <= shared <= min(limit, indices.ndim) or x.shape[:shared] != indices.shape[:shared]:
        raise ComputeError(f"shares {shared} leading axes. Received: {x.shape}, indices {indices.shape}")


def _merged(x: Array, shared: int) -> Array:
    return x.reshape(-1, *x.shape[shared:])
