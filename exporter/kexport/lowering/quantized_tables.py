"""The tables of quantized embeddings, and of those with a LoRA.

Formulas: ``_int8_call``, ``_int4_call`` of keras/src/layers/core/{embedding,reversible_embedding}.py, Keras 3.15.
"""

from __future__ import annotations

import numpy as np

from kexport.ir import Array, Constant, Value, dtypes
from kexport.lowering.arguments import integer
from kexport.lowering.dtype_policy import policy_of
from kexport.lowering.quantization import Grouped, Quantizer, grouped_product, input_quantizer, unpacked
from kexport.lowering.registry import Context


def rows_of_table(ctx: Context, indices: Value) -> Value:
    """The rows of the table at int32 or int64 ``indices``, (*indices, output_dim), as it is quantized."""
    match policy_of(ctx.layer).mode:
        case "int8":
            b = ctx.b
            rows = b.op("cast", b.op("gather", _narrow(ctx), indices), dtype=ctx.compute_dtype)
            return _with_lora(ctx, indices, b.op("div", rows, _scales(ctx, "embeddings_scale", indices)))
        case "int4":
            return _with_lora(ctx, indices, _int4_rows(ctx, indices))
        case _:
            return ctx.b.op("gather", _plain_table(ctx), indices)


def _narrow(ctx: Context) -> Value:
    """The table as it is stored, in int8: rows are gathered before they are widened."""
    return ctx.b.constant(ctx.stored_weight("embeddings"), name="embeddings")


def _scales(ctx: Context, name: str, indices: Value) -> Value:
    """A scale (or zero) a row, of the rows at ``indices``, with a last dimension: of 1, or the number of groups."""
    found = ctx.b.op("gather", ctx.weight_value(name), indices)
    if not dtypes.is_float(found.dtype):
        found = ctx.b.op("cast", found, dtype=ctx.compute_dtype)
    one_a_row = len(ctx.stored_weight(name).shape) == 1
    return ctx.b.op("expand_dims", found, axes=(found.rank,)) if one_a_row else found


def _int4_rows(ctx: Context, indices: Value) -> Value:
    """``row / embeddings_scale``, or in groups ``(row - embeddings_zero) * embeddings_scale``."""
    b, width = ctx.b, integer(ctx, "output_dim")
    if ctx.stored_weight("embeddings").shape[-1] != -(-width // 2):
        raise ctx.error(
            f"Its table holds two of {width} columns in a byte. Received: {ctx.stored_weight('embeddings').shape}"
        )
    rows = _halves(ctx, b.op("cast", b.op("gather", _narrow(ctx), indices), dtype=ctx.compute_dtype), width)
    scale = _scales(ctx, "embeddings_scale", indices)
    if policy_of(ctx.layer).block is None:
        return b.op("div", rows, scale)
    zero = _scales(ctx, "embeddings_zero", indices)
    if scale.shape[-1] != 1:
        groups = b.constant(ctx.stored_weight("g_idx").numpy().astype(np.int32), name="g_idx")
        scale, zero = (b.op("gather", part, groups, axis=part.rank - 1) for part in (scale, zero))
    return b.op("mul", b.op("sub", rows, zero), scale)


def _halves(ctx: Context, packed: Value, width: int) -> Value:
    """Bytes as the two numbers of 4 bits that each holds, the low half first; (…, ceil(width / 2)) to (…, width).

    ``high = floor(byte / 16)``, the signed upper half; ``byte - 16 high`` is the lower one, less 16 from 8 on.
    """
    b = ctx.b

    def number(value: float) -> Value:
        return b.scalar(value, packed)

    high = b.op("floor", b.op("mul", packed, number(1 / 16)))
    low = b.op("sub", packed, b.op("mul", high, number(16)))
    wrapped = b.op("mul", b.op("floor", b.op("mul", low, number(1 / 8))), number(16))
    low = b.op("sub", low, wrapped)
    pairs = [b.op("expand_dims", half, axes=(packed.rank,)) for half in (low, high)]
    both = b.op("concat", *pairs, axis=packed.rank)
    row = b.op("reshape", both, shape=(*packed.shape[:-1], 2 * int(str(packed.shape[-1]))))
    if width % 2 == 0:
        return row
    ends = (*[None] * (row.rank - 1), width)
    return b.op("slice", row, begin=(0,) * row.rank, end=ends, strides=(1,) * row.rank)


def _plain_table(ctx: Context) -> Value:
    """The table in the compute dtype."""
    if not ctx.has_weight("lora_embeddings_a"):
        return ctx.weight_value("embeddings")
    wanted = dtypes.numpy_dtype(ctx.compute_dtype)
    table = lora_table(ctx).map(lambda array: array.astype(wanted), dtype=ctx.compute_dtype)
    return ctx.b.constant(table, name="embeddings")


def lora_table(ctx: Context) -> Constant:
    """The table as it is stored; one with a LoRA is ``embeddings + alpha / rank * a @ b``."""
    table = ctx.stored_weight("embeddings")
    if not ctx.has_weight("lora_embeddings_a"):
        return table
    scale, factors = lora_scale(ctx), [ctx.stored_weight(f"lora_embeddings_{half}") for half in "ab"]

    def read() -> Array:
        delta = np.matmul(*(factor.numpy().astype(np.float32) for factor in factors))
        merged: Array = (table.numpy() + np.float32(scale) * delta).astype(np.float32)
        return merged

    return Constant.lazy("float32", table.shape, read)


def lora_scale(ctx: Context) -> float:
    """``alpha / rank`` of a layer with a LoRA."""
    rank, alpha = ctx.arg("lora_rank"), ctx.layer.config.get("lora_alpha")
    return float(rank if alpha is None else alpha) / float(rank)


def _with_lora(ctx: Context, indices: Value, rows: Value) -> Value:
    """``rows + alpha / rank * a[indices] b``, where the table itself is quantized."""
    if not ctx.has_weight("lora_embeddings_a"):
        return rows
    b = ctx.b
    low = b.op("gather", ctx.weight_value("lora_embeddings_a"), indices)
    delta = b.op("dense", low, ctx.weight_value("lora_embeddings_b"), None)
    return b.op("add", rows, b.op("mul", delta, b.scalar(lora_scale(ctx), delta)))


def times_table(ctx: Context, x: Value) -> Value:
    """``x (…, output_dim)`` times the transposed table (or ``reverse_embeddings``) of a quantized ReversibleEmbedding,
    (…, input_dim), before the cap of its logits."""
    quantizer = input_quantizer(ctx, Quantizer())
    scale = None
    if quantizer is not None:
        if quantizer.axis not in (None, -1, x.rank - 1):
            raise ctx.error(f"Its inputs are quantized along the last axis. Received: axis={quantizer.axis}")
        x, scale = quantizer.apply(ctx, x, (x.rank - 1,))
    matrix = _tied(ctx) if ctx.layer.config.get("tie_weights", True) else _untied(ctx)
    product = grouped_product(ctx, x, matrix)
    return product if scale is None else ctx.b.op("div", product, scale)


def _tied(ctx: Context) -> Grouped:
    """The table turned round: scales and zeros have a row an entry, a column a group."""
    table, scale = ctx.stored_weight("embeddings"), _turned(ctx.stored_weight("embeddings_scale"))
    policy = policy_of(ctx.layer)
    if policy.mode == "int8":
        return Grouped(_turned(table), scale, inverse=True)
    width = integer(ctx, "output_dim")
    levels = table.map(
        lambda array: unpacked(array.T, width, 0), shape=(width, table.shape[0]), dtype="int8"
    ).known_as("int4")
    if policy.block is None:
        return Grouped(levels, scale, inverse=True)
    return Grouped(levels, scale, _turned(ctx.stored_weight("embeddings_zero")), ctx.stored_weight("g_idx"))


def _untied(ctx: Context) -> Grouped:
    table, scale = ctx.stored_weight("reverse_embeddings"), ctx.stored_weight("reverse_embeddings_scale")
    policy = policy_of(ctx.layer)
    if policy.mode == "int8":
        return Grouped(table, scale, inverse=True)
    width = integer(ctx, "output_dim")
    levels = table.map(
        lambda array: unpacked(array, width, 0), shape=(width, table.shape[1]), dtype="int8"
    ).known_as("int4")
    if policy.block is None:
        return Grouped(levels, scale, inverse=True)
    return Grouped(levels, scale, ctx.stored_weight("reverse_embeddings_zero"), ctx.stored_weight("g_idx"))


def _turned(constant: Constant) -> Constant:
    return constant.map(np.transpose, shape=constant.shape[::-1])
