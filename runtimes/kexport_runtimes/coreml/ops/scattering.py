"""Elements put at indices. Source: coremltools 9.0, mil/ops/defs/iOS15/scatter_gather.py and iOS17. Bounds as in :mod:`.gathering`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kexport_runtimes.coreml.errors import ComputeError
from kexport_runtimes.coreml.ops.arguments import axis_of
from kexport_runtimes.coreml.ops.gathering import in_bounds
from kexport_runtimes.coreml.registry import op

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
    data: Array,
    indices: Array,
    updates: Array,
    axis: Any = 0,
    mode: str = "add",
    validate_indices: Any = False,
) -> Array:
    """Slices of an axis, combined with updates; those of one index one after the other."""
    at = axis_of(axis, data.ndim)
    where = (slice(None),) * at + (in_bounds(indices, data.shape[at], validate_indices),)
    return _combined(data, where, updates, mode)


@op("scatter_along_axis")
def scatter_along_axis(
    data: Array,
    indices: Array,
    updates: Array,
    axis: Any = 0,
    mode: str = "add",
    validate_indices: Any = False,
) -> Array:
    """For each place of ``indices`` and ``updates``, the element there, with the index on one axis."""
    at = axis_of(axis, data.ndim)
    where: list[Any] = list(np.indices(indices.shape, sparse=True))
    where[at] = in_bounds(indices, data.shape[at], validate_indices)
    return _combined(data, tuple(where), updates, mode)


@op("scatter_nd")
def scatter_nd(
    data: Array, indices: Array, updates: Array, mode: str = "add", validate_indices: Any = False
) -> Array:
    """The last axis of ``indices`` holds positions on the leading axes of ``data``."""
    where = tuple(
        in_bounds(indices[..., axis], data.shape[axis], validate_indices) for axis in range(indices.shape[-1])
    )
    return _combined(data, where, updates, mode)


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
