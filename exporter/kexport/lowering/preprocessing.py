"""Preprocessing layers that numbers go through: Rescaling, CategoryEncoding, Discretization."""

from __future__ import annotations

import numpy as np

from kexport.ir import Array, Value
from kexport.lowering.arguments import integer, numbers
from kexport.lowering.encoding import encoded, output_mode, variable_dtype
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
def lower_category_encoding(ctx: Context, x: Value, *more: Value) -> Value:
    """Integers as vectors of ``num_tokens``; in the mode ``count`` the call's ``count_weights`` say how much each counts."""
    mode = output_mode(ctx, ("one_hot", "multi_hot", "count"))
    given = ctx.kwargs.get("count_weights")
    if given is None and len(ctx.args) > 1:
        given = ctx.args[1]
    if more or (given is not None and (mode != "count" or not isinstance(given, Value))):
        raise ctx.error(f"count_weights is a tensor, in the mode count. Received: {given!r} in {mode}")
    dtype = ctx.compute_dtype if given is not None else variable_dtype(ctx)
    weights = None if given is None else _cast(ctx, given, dtype)
    return encoded(ctx, x, mode, integer(ctx, "num_tokens"), dtype, weights)


@lowers("Discretization")
def lower_discretization(ctx: Context, x: Value) -> Value:
    """The number of boundaries that are at most x (``int``), or one-hot, multi-hot or count vectors of it."""
    mode = output_mode(ctx)
    boundaries = _boundaries(ctx)
    column = ctx.b.op("expand_dims", _cast(ctx, x, "float32"), axes=(x.rank,))
    passed = ctx.b.op("greater_equal", column, ctx.b.constant(boundaries, "float32", name="bin_boundaries"))
    buckets = ctx.b.op("reduce_sum", ctx.b.op("cast", passed, dtype="int32"), axes=(x.rank,))
    # Keras 3 has int32 whatever the policy; Keras 2 the policy's, which is int64 unless it says otherwise.
    dtype = "int32" if mode == "int" and ctx.provenance.keras_major >= 3 else ctx.compute_dtype
    return encoded(ctx, buckets, mode, len(boundaries) + 1, dtype)


def _boundaries(ctx: Context) -> Array:
    """Those of the config, or where Keras 2 adapted them, what its summary of the data comes to."""
    if ctx.layer.config.get("bin_boundaries") is not None:
        return np.sort(numbers(ctx, "bin_boundaries").reshape(-1))
    summary = next((weight.numpy() for weight in ctx.layer.weights.values()), np.zeros((2, 0)))
    if summary.ndim != 2 or len(summary) != 2 or not summary.size:
        raise ctx.error(
            "It has no boundaries: it was saved before it was adapted",
            hint="Call adapt(data), or make it with bin_boundaries=…, before the model is saved.",
        )
    bins = integer(ctx, "num_bins")
    if bins < 1:
        raise ctx.error(f"num_bins is at least 1. Received: {bins}")
    return _compressed(summary.astype(np.float32), 1.0 / bins)


def _compressed(summary: Array, epsilon: float) -> Array:
    """The values at equal parts of the weights: ``get_bin_boundaries`` and ``compress_summary`` in
    tf_keras/src/layers/preprocessing/discretization.py, 2.21."""
    values: Array = summary[0]
    if len(values) * epsilon >= 1:
        percents = epsilon + np.arange(0.0, 1.0, epsilon)
        cumulated = np.cumsum(summary[1])
        values = np.interp(percents, cumulated / cumulated[-1], values).astype(np.float32)
    return values[:-1]
