"""Pools. Source: coremltools 9.0, mil/ops/defs/iOS15/pool.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kexport_runtimes.coreml.ops.windows import Windows, windows
from kexport_runtimes.coreml.registry import op

Array = NDArray[Any]


@op("max_pool")
def max_pool(
    x: Array, kernel_sizes: Any, pad_type: str, strides: Any = None, pad: Any = None, ceil_mode: Any = False
) -> Array:
    """The largest element of each window; padding counts as -∞."""
    layout = _layout(x, kernel_sizes, strides, pad_type, pad, ceil_mode)
    return _folded(x, layout, -np.inf, np.maximum)


@op("avg_pool")
def avg_pool(
    x: Array,
    kernel_sizes: Any,
    pad_type: str,
    strides: Any = None,
    pad: Any = None,
    exclude_padding_from_average: Any = False,
    ceil_mode: Any = False,
) -> Array:
    """The mean of each window, over the elements of the input alone or those of the padding too."""
    layout = _layout(x, kernel_sizes, strides, pad_type, pad, ceil_mode)
    ones = np.ones((1, 1, *x.shape[2:]), np.float32)
    if not exclude_padding_from_average:
        # What lies beyond the padding, where ceil_mode lets a window reach, never counts.
        edges = zip(layout.before, layout.after, strict=True)
        ones = np.pad(ones, [(0, 0), (0, 0), *edges], constant_values=1)
        none = (0,) * len(layout.kernel)
        flush = Windows(layout.kernel, layout.strides, layout.dilations, none, none, layout.sizes)
        return _folded(x, layout, 0, np.add) / _folded(ones, flush, 0, np.add)
    return _folded(x, layout, 0, np.add) / _folded(ones, layout, 0, np.add)


@op("l2_pool")
def l2_pool(
    x: Array, kernel_sizes: Any, pad_type: str, strides: Any = None, pad: Any = None, ceil_mode: Any = False
) -> Any:
    """The root of the sum of squares of each window."""
    layout = _layout(x, kernel_sizes, strides, pad_type, pad, ceil_mode)
    return np.sqrt(_folded(np.square(x), layout, 0, np.add))


def _layout(x: Array, kernel: Any, strides: Any, pad_type: str, pad: Any, ceil_mode: Any) -> Windows:
    return windows(
        x.shape[2:], kernel, pad_type=pad_type, pad=pad, strides=strides, ceil_mode=bool(ceil_mode)
    )


def _folded(x: Array, layout: Windows, padding: float, combine: Callable[[Array, Array], Array]) -> Array:
    """Each window's elements, combined."""
    padded = layout.padded(x, padding)
    offsets = layout.offsets()
    total = layout.at(padded, next(offsets)).copy()
    for offset in offsets:
        total = combine(total, layout.at(padded, offset))
    return total
