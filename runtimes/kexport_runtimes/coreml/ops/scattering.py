"""Elements put at indices. Source: coremltools 9.0, mil/ops/defs/iOS15/scatter_gather.py and iOS17. Bounds: :mod:`.indices`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kexport_runtimes.coreml.errors import ComputeError
from kexport_runtimes.coreml.ops.arguments import axis_of
from kexport_runtimes.coreml.ops.indices import positions
from kexport_runtimes.coreml.registry import Call, op

Array = NDArray[Any]

_MODES: dict[str, Callable[..., Any]] = {
    "add": np.add.at,
    "sub": np.subtract.at,
    "mul": np.multiply.at,
    "div": np.true_divide.at,
    "max": np.maximum.at,
    "min": np.minimum.at,
}


@op("scatter")
def scatter(
    call: Call,
    data: Array,
    indices: Array,
    updates: Array,
    axis: Any = 0,
    mode: str = "add",
    validate_indices: Any = False,
) -> Array:
    """Slices of an axis, combined with updates; those of one index one after the other."""
    at = axis_of(axis, data.ndim)
    where = positions(indices, data.shape[at], validate=validate_indices, opset=call.opset)
    kept = ~where.outside
    if not kept.all():
        updates = np.compress(kept, updates, axis=at)
    return _combined(data, (slice(None),) * at + (where.safe[kept],), updates, mode)


@op("scatter_along_axis")
def scatter_along_axis(
    call: Call,
    data: Array,
    indices: Array,
    updates: Array,
    axis: Any = 0,
    mode: str = "add",
    validate_indices: Any = False,
) -> Array:
    """For each place of ``indices`` and ``updates``, the element there, with the index on one axis."""
    at = axis_of(axis, data.ndim)
    where = positions(indices, data.shape[at], validate=validate_indices, opset=call.opset)
    kept = ~where.outside
    places: list[Any] = list(np.indices(indices.shape))
    places[at] = where.safe
    return _combined(data, tuple(place[kept] for place in places), updates[kept], mode)


@op("scatter_nd")
def scatter_nd(
    call: Call, data: Array, indices: Array, updates: Array, mode: str = "add", validate_indices: Any = False
) -> Array:
    """The last axis of ``indices`` holds positions on the leading axes of ``data``."""
    where = [
        positions(indices[..., axis], data.shape[axis], validate=validate_indices, opset=call.opset)
        for axis in range(indices.shape[-1])
    ]
    kept = ~np.any([item.outside for item in where], axis=0)
    return _combined(data, tuple(item.safe[kept] for item in where), updates[kept], mode)


def _combined(data: Array, where: tuple[Any, ...], updates: Array, mode: str) -> Array:
    result = data.copy()
    if mode == "update":
        result[where] = updates
    elif mode == "div" and data.dtype.kind in "iu":
        quotient = data.astype(np.float64)
        np.true_divide.at(quotient, where, updates)
        return np.trunc(quotient).astype(data.dtype)
    elif mode in _MODES:
        _MODES[mode](result, where, updates)
    else:
        raise ComputeError(f"has mode update, {', '.join(_MODES)}. Received: {mode!r}")
    return result
