"""Which indices are within bounds, and what becomes of the others.

Before iOS 17 negative indices count from the end. Since then they are out of bounds, and those are refused with
``validate_indices``; without it what they give is undefined (coremltools 9.0, mil/ops/defs/iOS17/scatter_gather.py). Here an
element that is undefined is NaN, or the type's lowest integer, so that it shows if it is used; what is put out of bounds is lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kexport_runtimes.coreml.errors import ComputeError

Array = NDArray[Any]

#: The opset from which on negative indices are out of bounds: iOS 17's.
_NO_NEGATIVES = 7


@dataclass(frozen=True)
class Positions:
    """Indices of an axis.

    Attributes:
        safe: within 0..size-1; 0 where the index is out of bounds.
        outside: where it is.
    """

    safe: Array
    outside: Array


def positions(indices: Array, size: int, *, validate: Any, opset: int) -> Positions:
    """Indices of an axis of that size.

    Raises:
        ComputeError: ``validate``, and one is out of bounds; or the axis has no element.
    """
    found = indices.astype(np.int64)
    if opset < _NO_NEGATIVES:
        found = np.where(found < 0, found + size, found)
    outside = (found < 0) | (found >= size)
    if outside.any() and (bool(validate) or not size):
        raise ComputeError(f"takes indices within 0..{size - 1}. Received: {found.min()}..{found.max()}")
    return Positions(np.where(outside, 0, found), outside)


def undefined(values: Array, outside: Array) -> Array:
    """Values, with what is undefined in place of those from out of bounds.

    Args:
        values: of any shape.
        outside: broadcasts against it.
    """
    if not outside.any():
        return values
    poison = (
        np.nan
        if values.dtype.kind == "f"
        else np.iinfo(values.dtype).min
        if values.dtype.kind in "iu"
        else False
    )
    return np.where(outside, values.dtype.type(poison), values)
