"""Attention and AdditiveAttention, and what all attention layers share.

Formulas: keras/src/layers/attention/{attention,additive_attention}.py, Keras 3.15.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np

from kexport.ir import Value, dims
from kexport.lowering.registry import Context, lowers
from kexport.lowering.regularization import refuse_training


def negative(ctx: Context, like: Value, half: float, full: float) -> Value:
    """What is added to the scores of positions that don't count: ``half`` in float16."""
    return ctx.b.scalar(half if like.dtype == "float16" else full, like)


def causal(ctx: Context, rows: dims.Dim, columns: dims.Dim) -> Value:
    """Bool (1, rows, columns): column j counts for row i where j <= i."""
    b = ctx.b
    if isinstance(rows, int) and isinstance(columns, int):
        return b.constant(np.tri(rows, columns, dtype=bool)[None], name="causal")
    ones = b.op("broadcast_to", b.constant(np.ones((1, 1, 1)), "int32", name="one"), shape=(1, rows, columns))
    return b.op("greater_equal", b.op("cumsum", ones, axis=1), b.op("cumsum", ones, axis=2))


def _all(ctx: Context, masks: Sequence[Value]) -> Value | None:
    return reduce(lambda a, b: ctx.b.op("logical_and", a, b), masks) if masks else None


def _masks(ctx: Context, values: Sequence[Value]) -> list[Value | None]:
    """The masks of the inputs: the call's argument ``mask``, a list, or those that the inputs have."""
    given = ctx.kwargs.get("mask")
    if given is None:
        found = [ctx.masks.of(value) if ctx.masks else None for value in values]
    else:
        found = [*given] if isinstance(given, list | tuple) else [given]
    return [None if mask is None else as_bool(ctx, mask) for mask in [*found, None, None, None][:3]]


def as_bool(ctx: Context, mask: Value) -> Value:
    """``mask`` as bool: what is not 0 counts."""
    return mask if mask.dtype == "bool" else ctx.b.op("cast", mask, dtype="bool")


def _swapped(ctx: Context, x: Value) -> Value:
    return ctx.b.op("transpose", x, perm=(0, 2, 1))


def _flag(ctx: Context, name: str) -> bool:
    return bool(ctx.kwargs.get(name, ctx.layer.config.get(name, False)))


def _attend(ctx: Context, scores: Value, inputs: Sequence[Value]) -> list[Value]:
    """``softmax(scores) value`` with the scores of masked positions made very small, 0 where the query is masked."""
    b, value = ctx.b, inputs[1]
    query_mask, value_mask, _ = _masks(ctx, inputs)
    masks = [] if value_mask is None else [b.op("expand_dims", value_mask, axes=(1,))]
    # Keras 2 and the first versions of Keras 3 have it as an argument of the layer, later ones of the call.
    if _flag(ctx, "use_causal_mask") or bool(ctx.layer.config.get("causal")):
        masks.append(causal(ctx, scores.shape[1], scores.shape[2]))
    counts = _all(ctx, masks)
    if counts is not None:
        low = b.op("sub", scores, negative(ctx, scores, 65504.0, 1e9))
        scores = b.op("select", counts, scores, low)
    weights = b.op("softmax", scores, axis=2)
    result = b.op("matmul", weights, value)
    if query_mask is not None:
        result = b.op("select", b.op("expand_dims", query_mask, axes=(2,)), result, b.scalar(0.0, result))
        ctx.put_mask(result, query_mask)
    return [result, weights] if _flag(ctx, "return_attention_scores") else [result]


def _queries(ctx: Context, inputs: Sequence[Value]) -> tuple[Value, Value]:
    refuse_training(ctx)
    if len(inputs) not in (2, 3) or any(value.rank != 3 for value in inputs):
        types = ", ".join(str(value.type) for value in inputs)
        raise ctx.error(
            f"It takes a query, a value and a key, (batch, time, features) each. Received: {types}"
        )
    return inputs[0], inputs[-1]


def _spread_scores(ctx: Context, query: Value, key: Value, scale: Value | None) -> Value:
    """``tanh(query + key)`` of every pair, summed over the features: inside times ``scale``."""
    b = ctx.b
    pairs = b.op("add", b.op("expand_dims", query, axes=(2,)), b.op("expand_dims", key, axes=(1,)))
    return b.op("tanh", pairs if scale is None else b.op("mul", pairs, scale))


@lowers("Attention")
def lower_attention(ctx: Context, *inputs: Value) -> list[Value]:
    """``softmax(query key^T) value``, the scores times ``scale`` where there is one; ``concat`` scores are weighted sums of
    ``tanh(query + key)``."""
    b, (query, key) = ctx.b, _queries(ctx, inputs)
    scale = ctx.weight_value("scale") if ctx.layer.config.get("use_scale") else None
    match ctx.layer.config.get("score_mode", "dot"):
        case "dot":
            scores = b.op("matmul", query, _swapped(ctx, key))
            scores = scores if scale is None else b.op("mul", scores, scale)
        case "concat":
            summed = b.op("reduce_sum", _spread_scores(ctx, query, key, scale), axes=(3,))
            scores = b.op("mul", summed, ctx.weight_value("concat_score_weight"))
        case other:
            raise ctx.error(f"score_mode is 'dot' or 'concat'. Received: {other!r}")
    return _attend(ctx, scores, inputs)


@lowers("AdditiveAttention")
def lower_additive_attention(ctx: Context, *inputs: Value) -> list[Value]:
    """The scores are sums of ``scale * tanh(query + key)`` over the features."""
    b, (query, key) = ctx.b, _queries(ctx, inputs)
    spread = _spread_scores(ctx, query, key, None)
    if ctx.layer.config.get("use_scale", True):
        spread = b.op("mul", spread, ctx.weight_value("scale"))
    return _attend(ctx, b.op("reduce_sum", spread, axes=(3,)), inputs)
