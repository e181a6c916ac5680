"""Pooling: by windows, over everything (global), and to a given size (adaptive)."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from kexport.ir import Value
from kexport.lowering.axes import average_matrix, multiply_axis
from kexport.lowering.backend_padding import counts_padding
from kexport.lowering.geometry import as_float, data_format, per_dimension, spatial_of
from kexport.lowering.padding_semantics import padded_input
from kexport.lowering.registry import Context, lowers


def _rank(ctx: Context) -> int:
    """The number in the class's name: ``MaxPooling2D`` pools over 2 dimensions."""
    return int(ctx.layer.class_name[-2])


def _pool(ctx: Context, x: Value, kind: Literal["max_pool", "avg_pool"]) -> Value:
    rank = _rank(ctx)
    spatial_of(ctx, x, rank)
    window = per_dimension(ctx, "pool_size", rank)
    strides = window if ctx.arg("strides") is None else per_dimension(ctx, "strides", rank)
    read, padding = padded_input(ctx, x, kind, window=window, strides=strides, dilations=(1,) * rank)
    attrs: dict[str, Any] = {
        "window": window,
        "strides": strides,
        "padding": padding,
        "data_format": data_format(ctx),
    }
    if kind == "avg_pool" and ctx.arg("padding") == "same" and counts_padding(ctx.provenance, rank):
        attrs["count_include_pad"] = True
    result = ctx.b.op(kind, read, **attrs)
    if any(isinstance(dim, int) and dim < 1 for dim in result.shape):
        raise ctx.error(f"The input is too small for the window: {x.type} would become {result.type}")
    return result


@lowers("MaxPooling1D", "MaxPooling2D", "MaxPooling3D")
def max_pooling(ctx: Context, *inputs: Value) -> Value:
    """One ``max_pool``; strides of None are the window's size."""
    return _pool(ctx, inputs[0], "max_pool")


@lowers("AveragePooling1D", "AveragePooling2D", "AveragePooling3D")
def average_pooling(ctx: Context, *inputs: Value) -> Value:
    """One ``avg_pool`` that does not count the padding, but on some old backends."""
    return _pool(ctx, as_float(ctx, inputs[0]), "avg_pool")


@lowers("GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalMaxPooling3D")
def global_max_pooling(ctx: Context, *inputs: Value) -> Value:
    """``reduce_max`` over the spatial dimensions."""
    (x,) = inputs
    axes = spatial_of(ctx, x, _rank(ctx))
    return ctx.b.op("reduce_max", x, axes=axes, keepdims=bool(ctx.layer.config.get("keepdims", False)))


@lowers("GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalAveragePooling3D")
def global_average_pooling(ctx: Context, *inputs: Value) -> Value:
    """``reduce_mean`` over the spatial dimensions; in one dimension, with a mask, the mean of what it keeps."""
    x = as_float(ctx, inputs[0])
    axes = spatial_of(ctx, x, _rank(ctx))
    keepdims = bool(ctx.layer.config.get("keepdims", False))
    mask = ctx.mask(inputs[0]) if len(axes) == 1 else None
    if mask is None:
        return ctx.b.op("reduce_mean", x, axes=axes, keepdims=keepdims)
    kept = ctx.b.op("expand_dims", mask, axes=(3 - axes[0],))
    weights = ctx.b.op("cast", kept, dtype=x.dtype)
    zeroed = ctx.b.op("select", kept, x, ctx.b.scalar(0.0, x))
    total = ctx.b.op("reduce_sum", zeroed, axes=axes, keepdims=keepdims)
    return ctx.b.op("div", total, ctx.b.op("reduce_sum", weights, axes=axes, keepdims=keepdims))


def adaptive_windows(length: int, size: int) -> list[tuple[int, int]]:
    """Window i of ``size`` over ``length`` elements, (start, end): ``floor(i * length / size)`` up to
    ``ceil((i + 1) * length / size)`` (keras/src/backend/tensorflow/nn.py, v3.15)."""
    return [(i * length // size, -(-(i + 1) * length // size)) for i in range(size)]


def _adaptive_geometry(ctx: Context, x: Value) -> list[tuple[int, int, int]]:
    """(axis, length, output size) for each spatial dimension."""
    rank = _rank(ctx)
    sizes = per_dimension(ctx, "output_size", rank)
    entries = []
    for axis, size in zip(spatial_of(ctx, x, rank), sizes, strict=True):
        length = x.shape[axis]
        if not isinstance(length, int):
            raise ctx.error(
                f"An adaptive pool needs known lengths. Received: {x.type}", hint="Bind the dimension."
            )
        entries.append((axis, length, size))
    return entries


def _divides(ctx: Context, x: Value, kind: Literal["max_pool", "avg_pool"]) -> Value | None:
    """One ordinary pool, where every output size divides its length."""
    geometry = _adaptive_geometry(ctx, x)
    if any(length % size for _, length, size in geometry):
        return None
    window = tuple(length // size for _, length, size in geometry)
    return ctx.b.op(
        kind, x, window=window, strides=window, padding=((0, 0),) * len(window), data_format=data_format(ctx)
    )


@lowers("AdaptiveAveragePooling1D", "AdaptiveAveragePooling2D", "AdaptiveAveragePooling3D")
def adaptive_average_pooling(ctx: Context, *inputs: Value) -> Value:
    """One ``avg_pool`` where the sizes divide; otherwise each dimension times its matrix of means."""
    x = as_float(ctx, inputs[0])
    pooled = _divides(ctx, x, "avg_pool")
    if pooled is not None:
        return pooled
    for axis, length, size in _adaptive_geometry(ctx, x):
        if length != size:
            x = multiply_axis(ctx, x, average_matrix(length, adaptive_windows(length, size)), axis)
    return x


@lowers("AdaptiveMaxPooling1D", "AdaptiveMaxPooling2D", "AdaptiveMaxPooling3D")
def adaptive_max_pooling(ctx: Context, *inputs: Value) -> Value:
    """One ``max_pool`` where the sizes divide; otherwise, a dimension at a time, the maxima of all windows of the
    one or two widths that occur, and from them those that start where an adaptive window does."""
    (x,) = inputs
    pooled = _divides(ctx, x, "max_pool")
    if pooled is not None:
        return pooled
    for axis, length, size in _adaptive_geometry(ctx, x):
        if length != size:
            x = _adaptive_max_axis(ctx, x, axis, adaptive_windows(length, size))
    return x


def _adaptive_max_axis(ctx: Context, x: Value, axis: int, windows: list[tuple[int, int]]) -> Value:
    spatial = spatial_of(ctx, x, _rank(ctx))
    ones = (1,) * len(spatial)
    widths = sorted({end - start for start, end in windows})
    first, pools, offset = {}, [], 0
    for width in widths:
        window = tuple(width if a == axis else 1 for a in spatial)
        zeros = ((0, 0),) * len(spatial)
        pool = x if width == 1 else ctx.b.op(
            "max_pool", x, window=window, strides=ones, padding=zeros, data_format=data_format(ctx)
        )  # fmt: skip
        first[width] = offset
        offset += int(str(pool.shape[axis]))
        pools.append(pool)
    table = pools[0] if len(pools) == 1 else ctx.b.op("concat", *pools, axis=axis)
    indices = np.array([first[end - start] + start for start, end in windows], np.int32)
    return ctx.b.op("gather", table, ctx.b.constant(indices, name="windows"), axis=axis)
