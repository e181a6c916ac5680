"""Resampling of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kexport.ir import dims
from kexport.ir.graph import Array, Attrs, TensorType
from kexport.ir.ops._registry import REQUIRED, Inputs, OpError, op, required
from kexport.ir.ops.convolution import spatial_axes

METHODS = ("nearest", "bilinear")


def _resize_type(inputs: Inputs, attrs: Attrs) -> list[TensorType]:
    x = required(inputs, 0)
    if x.rank != 4 or attrs["method"] not in METHODS:
        raise OpError(f"resize takes rank 4 and a method of {METHODS}. Received: {x!r}, {attrs['method']!r}")
    height, width = attrs["size"]
    shape = list(x.shape)
    rows, columns = spatial_axes(4, attrs["data_format"])
    shape[rows], shape[columns] = height, width
    return [TensorType(x.dtype, tuple(shape))]


@op("resize", infer=_resize_type, attrs={"size": REQUIRED, "method": REQUIRED, "data_format": "channels_last"})
def resize(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """A rank-4 image resampled to ``size`` (height, width; may be symbolic) with half-pixel centres:
    the sample of output i is at ``(i + 0.5) * in / out - 0.5`` (``nearest`` takes ``floor((i + 0.5) * in / out)``)."""
    (x,) = inputs
    result = x
    for axis, size in zip(spatial_axes(4, attrs["data_format"]), attrs["size"], strict=True):
        result = _resize_axis(result, axis, dims.evaluate(size, {}), attrs["method"])
    return [result.astype(x.dtype, copy=False)]


def _resize_axis(x: Array, axis: int, size: int, method: str) -> Array:
    length = x.shape[axis]
    centre = (np.arange(size) + 0.5) * length / size
    if method == "nearest":
        nearest: Array = np.take(x, np.minimum(np.floor(centre).astype(int), length - 1), axis=axis)
        return nearest
    where = np.clip(centre - 0.5, 0, length - 1)
    low = np.floor(where).astype(int)
    shape = [-1 if i == axis else 1 for i in range(x.ndim)]
    weight = np.reshape(where - low, shape)
    before: Array = np.take(x, low, axis=axis)
    after: Array = np.take(x, np.minimum(low + 1, length - 1), axis=axis)
    blended: Array = before * (1 - weight) + after * weight
    return blended


