"""Pooling over one, two or three spatial dimensions; layouts and padding as for convolutions."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kexport.ir import dtypes
from kexport.ir.graph import Array, Attrs, TensorType
from kexport.ir.ops._registry import REQUIRED, Inputs, op, required
from kexport.ir.ops.convolution import (
    channel_axis,
    check_window,
    explicit_pads,
    from_channels_last,
    image_shape,
    pad_spatial,
    pads_of,
    spatial_axes,
    taken,
    to_channels_last,
    window_output,
)


def _pool_type(inputs: Inputs, attrs: Attrs) -> list[TensorType]:
    x, window = required(inputs, 0), attrs["window"]
    check_window(x, attrs, len(window))
    spatial = [
        window_output(x.shape[axis], window[i], attrs["strides"][i], 1, pads_of(attrs["padding"], i))
        for i, axis in enumerate(spatial_axes(x.rank, attrs["data_format"]))
    ]
    channels = x.shape[channel_axis(x.rank, attrs["data_format"])]
    return [TensorType(x.dtype, image_shape(x.shape[0], spatial, channels, attrs["data_format"]))]


def _pads(spatial: Sequence[int], attrs: Attrs) -> list[tuple[int, int]]:
    return explicit_pads(
        attrs["padding"], spatial, attrs["window"], attrs["strides"], [1] * len(attrs["window"])
    )


def _pool(x: Array, attrs: Attrs, fill: float, combine: Callable[[Array, Array], Array]) -> Array:
    """``combine`` over each window of a channels-last ``x``, one dimension after the other (maxima and sums separate)."""
    result = pad_spatial(x, _pads(x.shape[1:-1], attrs), fill)
    for index, (width, stride) in enumerate(zip(attrs["window"], attrs["strides"], strict=True)):
        axis = index + 1
        length = result.shape[axis]
        count = max((length - width) // stride + 1, 0)
        lead = (slice(None),) * axis
        reads = (result[(*lead, taken(length, offset, stride, count))] for offset in range(width))
        result = functools.reduce(combine, reads)
    return result


_POOL_ATTRS = {"window": REQUIRED, "strides": REQUIRED, "padding": REQUIRED, "data_format": "channels_last"}


@op("max_pool", infer=_pool_type, attrs=_POOL_ATTRS, fusable=True)
def max_pool(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """The maximum of each ``window``; padding never wins."""
    x = to_channels_last(inputs[0], attrs["data_format"])
    lowest = -np.inf if dtypes.is_float(x.dtype.name) else np.iinfo(x.dtype).min
    return [from_channels_last(_pool(x, attrs, lowest, np.maximum), attrs["data_format"])]


@op("avg_pool", infer=_pool_type, attrs={**_POOL_ATTRS, "count_include_pad": False}, fusable=True)
def avg_pool(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """The mean of each ``window``: over the elements that are not padding, or, ``count_include_pad``, over all of
    the window with the padding as zeros. (A window of nothing but padding has no mean without it: NaN.) Integers are
    averaged exactly, then truncated."""
    x = to_channels_last(inputs[0], attrs["data_format"])
    sums = np.result_type(x.dtype, np.float32 if dtypes.is_float(x.dtype.name) else np.float64)
    mean = _pool(x.astype(sums, copy=False), attrs, 0.0, np.add)
    for index, count in enumerate(_counts(x.shape[1:-1], attrs)):
        shape = [-1 if axis == index + 1 else 1 for axis in range(x.ndim)]
        with np.errstate(invalid="ignore"):
            mean = mean / np.reshape(count.astype(sums), shape)
    return [from_channels_last(mean.astype(x.dtype, copy=False), attrs["data_format"])]


def _counts(spatial: Sequence[int], attrs: Attrs) -> list[Array]:
    """For each dimension, how many elements each window divides by."""
    counts = []
    pads = _pads(spatial, attrs)
    for length, (before, after), width, stride in zip(
        spatial, pads, attrs["window"], attrs["strides"], strict=True
    ):
        starts = np.arange(0, length + before + after - width + 1, stride) - before
        within = np.minimum(starts + width, length) - np.maximum(starts, 0)
        counts.append(np.full_like(starts, width) if attrs["count_include_pad"] else np.maximum(within, 0))
    return counts
