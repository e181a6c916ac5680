"""Preprocessing layers that numbers go through: Rescaling, CategoryEncoding, Discretization."""

from __future__ import annotations

import numpy as np

from kexport.ir import Array, Value
from kexport.lowering.arguments import integer, numbers
from kexport.lowering.registry import Context, lowers


def _cast(ctx: Context, x: Value, dtype: str) -> Value:
    return x if x.dtype == dtype else ctx.b.op("cast", x, dtype=dtype)


@lowers("Rescaling")
def lower_rescaling(ctx: Context, x: Value) -> Value:
    """``x * scale + offset`` in the compute dtype; lists stand for the last dimensions."""
    x = _cast(ctx, x, ctx.compute_dtype)
    scale, offset = numbers(ctx, "scale"), numbers(ctx, "offset")
    if np.any(scale != 1):
        x = ctx.b.op("mul", x, ctx.b.constant(scale, x.dtype, name="scale"))
    if np.any(offset != 0):
        x = ctx.b.op("add", x, ctx.b.constant(offset, x.dtype, name="offset"))
    return x


@lowers("CategoryEncoding")
def lower_category_encoding(ctx: Context, x: Value, *weights: Value) -> Value:
    """Integers to one-hot vectors (``one_hot``), or to what is in the last dimension (``multi_hot``, ``count``)."""
    depth, mode = integer(ctx, "num_tokens"), ctx.arg("output_mode")
    count_weights = ctx.kwargs.get("count_weights")
    if weights or count_weights is not None:
        raise ctx.error(
            "count_weights are not lowered", hint="Multiply the encoded tensor after the layer instead."
        )
    if ctx.layer.config.get("sparse"):
        raise ctx.error(
            "A sparse output has no equivalent", hint="Set sparse=False before the model is saved."
        )
    indices = x if x.dtype in ("int32", "int64") else _cast(ctx, x, "int32")
    if mode == "one_hot":
        if indices.rank > 1 and indices.shape[-1] == 1:
            indices = ctx.b.op("squeeze", indices, axes=(indices.rank - 1,))
        return ctx.b.op("one_hot", indices, depth=depth, dtype=ctx.compute_dtype)
    if mode not in ("multi_hot", "count"):
        raise ctx.error(f"output_mode is one_hot, multi_hot or count. Received: {mode!r}")
    encoded = ctx.b.op("one_hot", indices, depth=depth, dtype=ctx.compute_dtype)
    op = "reduce_max" if mode == "multi_hot" else "reduce_sum"
    return encoded if indices.rank < 2 else ctx.b.op(op, encoded, axes=(indices.rank - 1,))


@lowers("Discretization")
def lower_discretization(ctx: Context, x: Value) -> Value:
    """The number of boundaries that are at most x (``int``), or one-hot, multi-hot or count vectors of it."""
    boundaries = _boundaries(ctx)
    mode = ctx.layer.config.get("output_mode", "int")
    if ctx.layer.config.get("sparse"):
        raise ctx.error(
            "A sparse output has no equivalent", hint="Set sparse=False before the model is saved."
        )
    column = ctx.b.op("expand_dims", _cast(ctx, x, "float32"), axes=(x.rank,))
    passed = ctx.b.op("greater_equal", column, ctx.b.constant(boundaries, "float32", name="bin_boundaries"))
    buckets = ctx.b.op("reduce_sum", ctx.b.op("cast", passed, dtype="int32"), axes=(x.rank,))
    if mode == "int":
        wanted = ctx.compute_dtype if ctx.compute_dtype in ("int32", "int64") else "int32"
        return _cast(ctx, buckets, "int64" if ctx.layer.config.get("dtype") == "int64" else wanted)
    if mode not in ("one_hot", "multi_hot", "count"):
        raise ctx.error(f"output_mode is int, one_hot, multi_hot or count. Received: {mode!r}")
    if mode == "one_hot" and buckets.rank > 1 and buckets.shape[-1] == 1:
        buckets = ctx.b.op("squeeze", buckets, axes=(buckets.rank - 1,))
    encoded = ctx.b.op("one_hot", buckets, depth=len(boundaries) + 1, dtype=ctx.compute_dtype)
    if mode == "one_hot" or buckets.rank < 2:
        return encoded
    return ctx.b.op("reduce_max" if mode == "multi_hot" else "reduce_sum", encoded, axes=(buckets.rank - 1,))


def _boundaries(ctx: Context) -> Array:
    if ctx.layer.config.get("bin_boundaries") is None:
        raise ctx.error(
            "Its boundaries are not in the file: adapt() leaves them out of a saved model's config",
            hint="Give bin_boundaries as an argument before the model is saved.",
        )
    return np.sort(numbers(ctx, "bin_boundaries").reshape(-1))
