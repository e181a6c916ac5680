"""Where the points of a resized axis lie, and values between elements.

Source of the grids: the documentation of ``resize_bilinear`` in coremltools 9.0, mil/ops/defs/iOS15/image_resizing.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kexport_runtimes.coreml.ops.arguments import one_of

Array = NDArray[Any]

SAMPLING_MODES = ("STRICT_ALIGN_CORNERS", "ALIGN_CORNERS", "DEFAULT", "OFFSET_CORNERS", "UNALIGN_CORNERS")


def span_points(start: Array, end: Array, count: int, mode: str) -> Array:
    """``count`` points of the span from ``start`` to ``end``, positions of elements, both included.

    Args:
        start: of any shape.
        end: of the same shape.
        count: of points, at least 1.
        mode: one of :data:`SAMPLING_MODES`.

    Returns:
        float64 of the shape with an axis of ``count`` at its end; not held within the span.
    """
    one_of(mode, SAMPLING_MODES, "sampling_mode")
    steps = np.arange(count, dtype=np.float64)
    first, length = start[..., None].astype(np.float64), (end - start)[..., None].astype(np.float64)
    match mode:
        case "STRICT_ALIGN_CORNERS" | "ALIGN_CORNERS" if count > 1:
            return first + steps * length / (count - 1)
        case "ALIGN_CORNERS":
            return first + length / 2
        case "STRICT_ALIGN_CORNERS":
            return first + steps * 0
        case "DEFAULT":
            return first + steps * (length + 1) / count
        case "OFFSET_CORNERS":
            delta = np.maximum(1, length) / count
            return first + (0.5 + steps) * delta
    return first + (0.5 + steps) * (length + 1) / count - 0.5


def axis_points(size: int, count: int, mode: str) -> Array:
    """The points of an axis of ``size`` elements, resized to ``count``; held within it."""
    points = span_points(np.zeros(()), np.array(size - 1.0), count, mode)
    return np.clip(points, 0, size - 1)


def linear(x: Array, axis: int, points: Array) -> Array:
    """Values at points between elements of an axis, in float32."""
    low = np.clip(np.floor(points).astype(np.int64), 0, x.shape[axis] - 1)
    high = np.minimum(low + 1, x.shape[axis] - 1)
    shape = [1] * x.ndim
    shape[axis] = len(points)
    share = (points - low).astype(np.float32).reshape(shape)
    below, above = np.take(x, low, axis), np.take(x, high, axis)
    between: Array = below + (above - below) * share
    return between


def nearest(x: Array, axis: int, points: Array) -> Array:
    """Elements before the points of an axis."""
    return np.take(x, np.clip(np.floor(points + 1e-6).astype(np.int64), 0, x.shape[axis] - 1), axis)
