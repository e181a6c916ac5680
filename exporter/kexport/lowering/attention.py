"""Attention layers.

Formulas: keras/src/layers/attention/{attention,additive_attention,multi_head_attention,grouped_query_attention}.py, Keras 3.15.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np

from kexport.ir import Value, dims
from kexport.lowering.arguments import integer
from kexport.lowering.quantized_products import Product, bias, product
from kexport.lowering.registry import Context, lowers
from kexport.lowering.regularization import refuse_training


def _negative(ctx: Context, like: Value, half: float, full: float) -> Value:
    """What is added to the scores of positions that don't count: ``half`` in float16."""
    return ctx.b.scalar(half if like.dtype == "float16" else full, like)


def _causal(ctx: Context, rows: dims.Dim, columns: dims.Dim) -> Value:
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
    return [None if mask is None else _as_bool(ctx, mask) for mask in [*found, None, None, None][:3]]


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
        masks.append(_causal(ctx, scores.shape[1], scores.shape[2]))
    counts = _all(ctx, masks)
    if counts is not None:
        low = b.op("sub", scores, _negative(ctx, scores, 65504.0, 1e9))
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


def _argument(ctx: Context, name: str, position: int) -> Any:
    if name in ctx.kwargs:
        return ctx.kwargs[name]
    return ctx.args[position] if len(ctx.args) > position else None


def _project(ctx: Context, name: str, x: Value, equation: str, heads: int = 0) -> Value:
    """``x`` through one of the layer's projections, an EinsumDense with a dtype policy of its own."""
    p = Product(ctx, x, equation, name, {"d": heads} if heads else {})
    result = product(p)
    return ctx.b.op("add", result, bias(p)) if ctx.layer.config.get("use_bias", True) else result


def _score_mask(ctx: Context, query: Value, value: Value, key: Value) -> Value | None:
    """Bool, broadcasting to (batch, heads, rows, columns): what the masks of the inputs, the call's ``attention_mask`` and
    ``use_causal_mask`` allow."""
    b = ctx.b
    found: list[Value] = []
    entries = (("query_mask", query, 2), ("value_mask", value, 1), ("key_mask", key, 1))
    for name, tensor, axis in entries:
        mask = ctx.kwargs.get(name)
        if mask is None and ctx.masks is not None and (name != "key_mask" or key is not value):
            mask = ctx.masks.of(tensor)
        if mask is not None:
            found.append(b.op("expand_dims", _as_bool(ctx, mask), axes=(axis,)))
    if ctx.kwargs.get("use_causal_mask"):
        found.append(_causal(ctx, query.shape[1], value.shape[1]))
    given = ctx.kwargs.get("attention_mask")
    if isinstance(given, Value) and given.rank == 3:
        found.append(_as_bool(ctx, given))
    whole = _all(ctx, found)
    whole = None if whole is None else b.op("expand_dims", whole, axes=(1,))
    if isinstance(given, Value) and given.rank == 4:
        given = _as_bool(ctx, given)
        whole = given if whole is None else b.op("logical_and", whole, given)
    return whole


def _as_bool(ctx: Context, mask: Value) -> Value:
    return mask if mask.dtype == "bool" else ctx.b.op("cast", mask, dtype="bool")


def _heads(
    ctx: Context, query: Value, key: Value, value: Value, mask: Value | None, size: int
) -> list[Value]:
    """Attention of each head: query (batch, rows, heads, size), key and value (batch, columns, heads, …) to (batch, rows, heads, …),
    and the weights (batch, heads, rows, columns)."""
    b = ctx.b
    scaled = b.op("mul", query, b.scalar(1 / np.sqrt(float(size)), query))
    scores = b.op(
        "matmul", b.op("transpose", scaled, perm=(0, 2, 1, 3)), b.op("transpose", key, perm=(0, 2, 3, 1))
    )
    if mask is not None:
        scores = b.op("select", mask, scores, _negative(ctx, scores, -3e4, -1e9))
    weights = b.op("softmax", scores, axis=3)
    result = b.op("matmul", weights, b.op("transpose", value, perm=(0, 2, 1, 3)))
    return [b.op("transpose", result, perm=(0, 2, 1, 3)), weights]


def _three(ctx: Context, inputs: Sequence[Value]) -> tuple[Value, Value, Value]:
    """Query, value and key."""
    refuse_training(ctx)
    query = inputs[0]
    value = _argument(ctx, "value", 1)
    value = query if value is None else value
    key = _argument(ctx, "key", 2)
    key = value if key is None else key
    for tensor in (query, value, key):
        if not isinstance(tensor, Value) or tensor.rank != 3:
            shown = tensor.type if isinstance(tensor, Value) else tensor
            raise ctx.error(f"Query, value and key are (batch, time, features). Received: {shown}")
    for name in ("use_gate", "sliding_window"):
        if ctx.layer.config.get(name):
            raise ctx.error(f"It is lowered without {name}. Received: {name}={ctx.layer.config[name]!r}")
    return query, value, key


def _finish(ctx: Context, query: Value, result: Value, weights: Value) -> list[Value]:
    output = _project(ctx, "attention_output", result, "abcd,cde->abe")
    mask = ctx.kwargs.get("query_mask") or (ctx.masks.of(query) if ctx.masks else None)
    if mask is not None:
        ctx.put_mask(output, mask)
    return [output, weights] if ctx.kwargs.get("return_attention_scores") else [output]


@lowers("MultiHeadAttention")
def lower_multi_head_attention(ctx: Context, *inputs: Value) -> list[Value]:
    """Attention in ``num_heads`` projections of query, key and value, projected back together."""
    query, value, key = _three(ctx, inputs)
    mask = _score_mask(ctx, query, value, key)
    q, k, v = (
        _project(ctx, name, x, "abc,cde->abde", integer(ctx, "num_heads"))
        for name, x in (("query", query), ("key", key), ("value", value))
    )
    result, weights = _heads(ctx, q, k, v, mask, integer(ctx, "key_dim"))
    return _finish(ctx, query, result, weights)


@lowers("GroupQueryAttention", "GroupedQueryAttention")
def lower_group_query_attention(ctx: Context, *inputs: Value) -> list[Value]:
    """Attention in ``num_query_heads``, of which each group shares one of ``num_key_value_heads``."""
    query, value, key = _three(ctx, inputs)
    mask = _score_mask(ctx, query, value, key)
    q = _project(ctx, "query", query, "abc,cde->abde", integer(ctx, "num_query_heads"))
    repeats = integer(ctx, "num_query_heads") // integer(ctx, "num_key_value_heads")
    k, v = (
        _repeated(ctx, _project(ctx, name, x, "abc,cde->abde", integer(ctx, "num_key_value_heads")), repeats)
        for name, x in (("key", key), ("value", value))
    )
    result, weights = _heads(ctx, q, k, v, mask, integer(ctx, "head_dim"))
    return _finish(ctx, query, result, weights)


def _repeated(ctx: Context, x: Value, repeats: int) -> Value:
    """Each head (axis 2) ``repeats`` times, side by side."""
    if repeats == 1:
        return x
    indices = np.repeat(np.arange(int(str(x.shape[2]))), repeats).astype("int32")
    return ctx.b.op("gather", x, ctx.b.constant(indices, name="heads"), axis=2)
