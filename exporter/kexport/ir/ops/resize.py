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
    if any(isinstance(length, int) and length < 1 for length in (height, width)):
        raise OpError(f"A size is at least 1. Received: {attrs['size']}")
    shape = list(x.shape)
    rows, columns = spatial_axes(4, attrs["data_format"])
    shape[rows], shape[columns] = height, width
    return [TensorType(x.dtype, tuple(shape))]


@op(
    "resize", infer=_resize_type, attrs={"size": REQUIRED, "method": REQUIRED, "data_format": "channels_last"}
)
def resize(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """A rank-4 image resampled to ``size`` (height, width; may be symbolic) with half-pixel centres, without
    antialiasing: output i samples the input at ``(i + 0.5) * in / out - 0.5``.

    ``nearest`` takes element ``floor((i + 0.5) * in / out)``, worked out in float32 as TensorFlow and LiteRT do, for
    where the product falls on an integer, rounding decides; ``bilinear`` blends the two elements around the sample,
    the edge repeated. Sums are in float32 at least; integers are truncated.
    """
    (x,) = inputs
    if not dims.is_static(tuple(attrs["size"])):
        raise OpError("A symbolic size must be bound before a resize is computed.")
    result = x
    for axis, size in zip(spatial_axes(4, attrs["data_format"]), attrs["size"], strict=True):
        if size != x.shape[axis]:
            result = _resize_axis(result, axis, size, attrs["method"])
    return [result.astype(x.dtype, copy=False)]


def _resize_axis(x: Array, axis: int, size: int, method: str) -> Array:
    length = x.shape[axis]
    scale = np.float32(length) / np.float32(size)
    centre = (np.arange(size, dtype=np.float32) + np.float32(0.5)) * scale
    if method == "nearest":
        nearest: Array = np.take(x, np.minimum(np.floor(centre).astype(int), length - 1), axis=axis)
        return nearest
    where = np.clip(centre - np.float32(0.5), 0, length - 1)
    low = np.floor(where).astype(int)
    shape = [-1 if i == axis else 1 for i in range(x.ndim)]
    weight = np.reshape(where - low, shape).astype(np.result_type(x.dtype, np.float32))
    before: Array = np.take(x, low, axis=axis)
    after: Array = np.take(x, np.minimum(low + 1, length - 1), axis=axis)
    blended: Array = before * (1 - weight) + after * weight
    return blended
