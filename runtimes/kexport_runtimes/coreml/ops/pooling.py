"""Pools. Source: coremltools 9.0, mil/ops/defs/iOS15/pool.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kexport_runtimes.coreml.heavy import computed
from kexport_runtimes.coreml.ops.windows import Windows, windows
from kexport_runtimes.coreml.registry import Call, op

Array = NDArray[Any]


@op("max_pool")
def max_pool(
    call: Call,
    x: Array,
    kernel_sizes: Any,
    pad_type: str,
    strides: Any = None,
    pad: Any = None,
    ceil_mode: Any = False,
) -> Array:
    """The largest element of each window; padding counts as -∞."""
    layout = _layout(x, kernel_sizes, strides, pad_type, pad, ceil_mode)
    found = computed(call, "MaxPool", {"x": x}, _attributes(layout)) if _is_plain(x, layout) else None
    return _folded(x, layout, -np.inf, np.maximum) if found is None else found


@op("avg_pool")
def avg_pool(
    call: Call,
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
    if _is_plain(x, layout):
        counted = {"count_include_pad": 0 if exclude_padding_from_average else 1}
        found = computed(call, "AveragePool", {"x": x}, {**_attributes(layout), **counted})
        if found is not None:
            return found
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


def _attributes(layout: Windows) -> dict[str, int | Sequence[int]]:
    return {
        "kernel_shape": layout.kernel,
        "strides": layout.strides,
        "pads": (*layout.before, *layout.after),
    }


def _is_plain(x: Array, layout: Windows) -> bool:
    """Whether no window reaches beyond the padding, and none lies in it: there libraries differ."""
    return layout.padded_sizes(x.shape[2:]) == tuple(
        before + size + after
        for before, size, after in zip(layout.before, x.shape[2:], layout.after, strict=True)
    ) and all(
        max(edges) < size for *edges, size in zip(layout.before, layout.after, layout.kernel, strict=True)
    )


def _folded(x: Array, layout: Windows, padding: float, combine: Callable[[Array, Array], Array]) -> Array:
    """Each window's elements, combined."""
    padded = layout.padded(x, padding)
    offsets = layout.offsets()
    total = layout.at(padded, next(offsets)).copy()
    for offset in offsets:
        total = combine(total, layout.at(padded, offset))
    return total
