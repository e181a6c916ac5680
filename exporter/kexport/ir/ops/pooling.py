"""Pooling over one, two or three spatial dimensions; layouts and padding as for convolutions."""

from __future__ import annotations

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
    to_channels_last,
    window_output,
    windows,
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


def _pool(x: Array, attrs: Attrs, fill: float, reduce: Callable[..., Array]) -> Array:
    last = to_channels_last(x, attrs["data_format"])
    window = attrs["window"]
    ones = [1] * len(window)
    pads = explicit_pads(attrs["padding"], last.shape[1:-1], window, attrs["strides"], ones)
    patches = windows(pad_spatial(last, pads, fill), window, attrs["strides"], ones)
    return reduce(patches, axis=tuple(range(-len(window), 0)))


_POOL_ATTRS = {"window": REQUIRED, "strides": REQUIRED, "padding": REQUIRED, "data_format": "channels_last"}


@op("max_pool", infer=_pool_type, attrs=_POOL_ATTRS, fusable=True)
def max_pool(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """The maximum of each ``window``; padding never wins."""
    (x,) = inputs
    lowest = -np.inf if dtypes.is_float(x.dtype.name) else np.iinfo(x.dtype).min
    return [from_channels_last(_pool(x, attrs, lowest, np.max), attrs["data_format"])]


@op("avg_pool", infer=_pool_type, attrs={**_POOL_ATTRS, "count_include_pad": False}, fusable=True)
def avg_pool(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """The mean of each ``window``: over the elements that are not padding, or, ``count_include_pad``, over all of
    the window with the padding as zeros."""
    (x,) = inputs
    total = _pool(x, attrs, 0.0, np.sum)
    if attrs["count_include_pad"]:
        count = np.full_like(total, np.prod(attrs["window"]))
    else:
        count = _pool(np.ones_like(x), attrs, 0.0, np.sum)
    return [from_channels_last(total / count, attrs["data_format"]).astype(x.dtype, copy=False)]
