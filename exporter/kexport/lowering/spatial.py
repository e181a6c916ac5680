"""Padding, cropping and upsampling."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kexport.ir import Value, dims
from kexport.loading.spec import samples_corners
from kexport.lowering.axes import multiply_axis
from kexport.lowering.geometry import as_float, data_format, pairs, per_dimension, spatial_of
from kexport.lowering.registry import Context, lowers
from kexport.lowering.resizing import known_lengths, resize_image


def _rank(ctx: Context) -> int:
    """The number in the class's name: ``Cropping2D`` crops 2 dimensions."""
    return int(ctx.layer.class_name[-2])


@lowers("ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D")
def zero_padding(ctx: Context, *inputs: Value) -> Value:
    """One ``pad``."""
    (x,) = inputs
    rank = _rank(ctx)
    pads = [(0, 0)] * x.rank
    for axis, pair in zip(spatial_of(ctx, x, rank), pairs(ctx, "padding", rank), strict=True):
        pads[axis] = pair
    return ctx.b.op("pad", x, pads=tuple(pads))


@lowers("Cropping1D", "Cropping2D", "Cropping3D")
def cropping(ctx: Context, *inputs: Value) -> Value:
    """One ``slice``."""
    (x,) = inputs
    rank = _rank(ctx)
    crops = [(0, 0)] * x.rank
    for axis, pair in zip(spatial_of(ctx, x, rank), pairs(ctx, "cropping", rank), strict=True):
        length = x.shape[axis]
        if isinstance(length, int) and sum(pair) >= length:
            raise ctx.error(f"cropping leaves something of every dimension. Received: {pair} of {x.type}")
        crops[axis] = pair
    return crop(ctx, x, crops)


def crop(ctx: Context, x: Value, crops: Sequence[tuple[int, int]]) -> Value:
    """``x`` without ``crops`` (before, after) elements of each dimension."""
    begin = tuple(before for before, _ in crops)
    end = tuple(-after if after else None for _, after in crops)
    return ctx.b.op("slice", x, begin=begin, end=end, strides=(1,) * x.rank)


@lowers("UpSampling1D")
def up_sampling_1d(ctx: Context, *inputs: Value) -> Value:
    """Each step ``size`` times: a ``resize`` of an image one element wide."""
    (x,) = inputs
    spatial_of(ctx, x, 1)
    (size,) = per_dimension(ctx, "size", 1)
    if size == 1:
        return ctx.b.op("identity", x)
    image = ctx.b.op("expand_dims", x, axes=(2,))
    wide = ctx.b.op("resize", image, size=(dims.multiply(size, x.shape[1]), 1), method="nearest")
    return ctx.b.op("squeeze", wide, axes=(2,))


@lowers("UpSampling2D")
def up_sampling_2d(ctx: Context, *inputs: Value) -> Value:
    """Resampled to ``size`` times the lengths, by any of Keras 2's and 3's interpolations.

    Keras 2 gives floats of 32 bits back, whatever the policy, but for ``nearest`` (``tf.image.resize``). keras-mxnet takes no notice of
    the argument, and repeats (``resize_images`` in keras/backend/mxnet_backend.py, 2.2.4.3).
    """
    (x,) = inputs
    method = str(ctx.layer.config.get("interpolation") or "nearest")
    method = "nearest" if ctx.provenance.backend == "mxnet" else method
    if ctx.provenance.keras_major < 3 and method != "nearest":
        x = x if x.dtype == "float32" else ctx.b.op("cast", x, dtype="float32")
    axes, factors = spatial_of(ctx, x, 2), per_dimension(ctx, "size", 2)
    if samples_corners(ctx.layer, ctx.provenance):
        return _from_corners(ctx, as_float(ctx, x), axes, factors)
    height, width = (dims.multiply(factor, x.shape[axis]) for axis, factor in zip(axes, factors, strict=True))
    return resize_image(ctx, x, (height, width), method)


def _from_corners(ctx: Context, x: Value, axes: Sequence[int], factors: Sequence[int]) -> Value:
    """Bilinear without half-pixel centres: output i blends elements ``floor(i / factor)`` and the next, the last one repeated."""
    lengths = known_lengths(ctx, x, "Bilinear upsampling of Keras 2")
    for axis, length, factor in zip(axes, lengths, factors, strict=True):
        steps = np.arange(length * factor)
        low, weight = steps // factor, (steps % factor) / factor
        matrix = np.zeros((length * factor, length))
        matrix[steps, low] = 1 - weight
        matrix[steps, np.minimum(low + 1, length - 1)] += weight
        x = multiply_axis(ctx, x, matrix, axis)
    return x


@lowers("UpSampling3D")
def up_sampling_3d(ctx: Context, *inputs: Value) -> Value:
    """Each element ``size`` times in every direction: height and width as one image, then depth as another.

    Channels-first volumes are taken as channels-last ones with (batch, channels) for the batch and 1 channel.
    """
    (x,) = inputs
    axes, factors = spatial_of(ctx, x, 3), per_dimension(ctx, "size", 3)
    first = data_format(ctx) == "channels_first"
    depth, height, width = (x.shape[axis] for axis in axes)
    tall, wide = dims.multiply(factors[1], height), dims.multiply(factors[2], width)
    lead, channels = (dims.multiply(x.shape[0], x.shape[1]), 1) if first else (x.shape[0], x.shape[4])
    planes = ctx.b.op("reshape", x, shape=(dims.multiply(lead, depth), height, width, channels))
    if factors[1:] != (1, 1):
        planes = ctx.b.op("resize", planes, size=(tall, wide), method="nearest")
    area = dims.multiply(dims.multiply(tall, wide), channels)
    if factors[0] != 1:
        stack = ctx.b.op("reshape", planes, shape=(lead, depth, 1, area))
        depth = dims.multiply(factors[0], depth)
        planes = ctx.b.op("resize", stack, size=(depth, 1), method="nearest")
    shape = (*x.shape[:2], depth, tall, wide) if first else (x.shape[0], depth, tall, wide, x.shape[4])
    return ctx.b.op("reshape", planes, shape=shape)
