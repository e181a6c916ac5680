"""MultiHeadAttention and GroupQueryAttention.

Formulas: keras/src/layers/attention/{multi_head_attention,grouped_query_attention}.py, Keras 3.15, and
tf_keras/src/layers/attention/multi_head_attention.py, 2.21.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from kexport.ir import Value, dims
from kexport.lowering.activations import softmax
from kexport.lowering.arguments import integer
from kexport.lowering.attention import as_bool, causal, negative
from kexport.lowering.quantized_products import Product, bias, product
from kexport.lowering.registry import Context, lowers
from kexport.lowering.regularization import refuse_training

#: The call's arguments in their order.
_ARGUMENTS: Final = (
    *("query", "value", "key", "query_mask", "value_mask", "key_mask", "attention_mask"),
    *("return_attention_scores", "training", "use_causal_mask"),
)
_ARGUMENTS_2: Final = (
    *("query", "value", "key", "attention_mask", "return_attention_scores", "training", "use_causal_mask"),
)


def _argument(ctx: Context, name: str) -> Any:
    """An argument of the call, by its name or place; None where it is not given."""
    if name in ctx.kwargs:
        return ctx.kwargs[name]
    order = _ARGUMENTS if ctx.provenance.keras_major >= 3 else _ARGUMENTS_2
    place = order.index(name) if name in order else len(ctx.args)
    return ctx.args[place] if len(ctx.args) > place else None


def _three(ctx: Context, inputs: Sequence[Value]) -> tuple[Value, Value, Value]:
    """Query, value and key."""
    refuse_training(ctx)
    query = inputs[0]
    value = _argument(ctx, "value")
    value = query if value is None else value
    key = _argument(ctx, "key")
    key = value if key is None else key
    for tensor in (query, value, key):
        if not isinstance(tensor, Value) or tensor.rank < 3 or tensor.rank != query.rank:
            shown = tensor.type if isinstance(tensor, Value) else tensor
            raise ctx.error(
                f"Query, value and key are (batch, time, …, features), of one rank. Received: {shown}"
            )
    return query, value, key


def _project(ctx: Context, name: str, x: Value, heads: int) -> Value:
    """``x`` (…, features) as (…, heads, size): an EinsumDense with a dtype policy of its own."""
    lead = "abijklmn"[: x.rank - 1]
    return _with_bias(ctx, Product(ctx, x, f"{lead}c,cde->{lead}de", name, {"d": heads}))


def _with_bias(ctx: Context, p: Product) -> Value:
    result = product(p)
    return ctx.b.op("add", result, bias(p)) if ctx.layer.config.get("use_bias", True) else result


def _window(ctx: Context, rows: dims.Dim, columns: dims.Dim, size: int) -> Value:
    """Bool (1, rows, columns): column j counts for row i where they are less than ``size`` apart."""
    b = ctx.b
    if isinstance(rows, int) and isinstance(columns, int):
        apart = np.abs(np.subtract.outer(np.arange(rows), np.arange(columns)))
        return b.constant(apart[None] < size, "bool", name="sliding_window")
    ones = b.op("broadcast_to", b.constant(np.ones((1, 1, 1)), "int32", name="one"), shape=(1, rows, columns))
    apart_value = b.op("abs", b.op("sub", b.op("cumsum", ones, axis=1), b.op("cumsum", ones, axis=2)))
    return b.op("less", apart_value, b.scalar(size, apart_value))


def _input_masks(ctx: Context, query: Value, value: Value, key: Value) -> list[Value]:
    """The masks of the inputs, those of queries (batch, rows, 1), the others (batch, 1, columns).

    The call's arguments go before what the tensors carry; but MultiHeadAttention of Keras 3 overwrites its argument ``query_mask`` with
    the query's own (``call``, 3.15).
    """
    found = []
    own = ctx.layer.class_name == "MultiHeadAttention"
    for name, tensor, axis in (("query_mask", query, 2), ("value_mask", value, 1), ("key_mask", key, 1)):
        mask = None if own and name == "query_mask" else _argument(ctx, name)
        if mask is None and ctx.masks is not None and (name != "key_mask" or key is not value):
            mask = ctx.masks.of(tensor)
        if isinstance(mask, Value):
            found.append(ctx.b.op("expand_dims", as_bool(ctx, mask), axes=(axis,)))
    return found


def _score_mask(ctx: Context, query: Value, value: Value, key: Value, axes: int) -> Value | None:
    """Bool: what the masks of the inputs, ``attention_mask``, ``use_causal_mask`` and ``sliding_window`` allow. It broadcasts to the scores:
    between its batch dimensions and the last ``2 * axes`` stand those that it lacks."""
    b, found = ctx.b, _input_masks(ctx, query, value, key)
    if _argument(ctx, "use_causal_mask"):
        found.append(causal(ctx, query.shape[1], value.shape[1]))
    window = ctx.layer.config.get("sliding_window")
    if window is not None:
        found.append(_window(ctx, query.shape[1], value.shape[1], window))
    given = _argument(ctx, "attention_mask")
    if isinstance(given, Value):
        found.append(as_bool(ctx, given))
    if not found:
        return None
    rank = (
        query.rank + axes
    )  # of the scores: heads and as many dimensions again as are attended to, for the features
    wide = [_spread(ctx, mask, max(mask.rank for mask in found), axes) for mask in found]
    whole = wide[0]
    for mask in wide[1:]:
        whole = b.op("logical_and", whole, mask)
    return _spread(ctx, whole, rank, axes)


def _spread(ctx: Context, mask: Value, rank: int, axes: int) -> Value:
    """``mask`` with dimensions of 1 before its last ``2 * axes``, to have ``rank`` of them."""
    missing = rank - mask.rank
    first = max(mask.rank - 2 * axes, 0)
    return mask if missing <= 0 else ctx.b.op("expand_dims", mask, axes=tuple(range(first, first + missing)))


def _attention_axes(ctx: Context, rank: int) -> tuple[int, ...]:
    """The axes of the query that are attended over: all but batch and features, or ``attention_axes``."""
    given = ctx.layer.config.get("attention_axes")
    if given is None:
        return tuple(range(1, rank - 1))
    axes = tuple(axis % rank for axis in ([given] if isinstance(given, int) else given))
    if not axes or len(set(axes)) != len(axes) or not all(0 < axis < rank - 1 for axis in axes):
        raise ctx.error(f"attention_axes are distinct, between batch and features. Received: {given!r}")
    return axes


def _merged(ctx: Context, x: Value, order: Sequence[int], axes: int, last: bool) -> Value:
    """``x`` transposed to ``order``, whose ``axes`` attended dimensions, the last ones or those before the last, become one."""
    turned = ctx.b.op("transpose", x, perm=tuple(order))
    if axes == 1:
        return turned
    end = turned.rank if last else turned.rank - 1
    joined = dims.product(turned.shape[end - axes : end])
    shape = (*turned.shape[: end - axes], joined, *turned.shape[end:])
    return ctx.b.op("reshape", turned, shape=shape)


def _heads(
    ctx: Context, query: Value, key: Value, value: Value, mask: Value | None, size: int, axes: tuple[int, ...]
) -> list[Value]:
    """Attention of each head over ``axes``: query (batch, …, heads, size), key and value alike, to (batch, …, heads, value size), and the
    weights (batch, other axes, heads, axes of the query, axes of the key)."""
    b, rank, count = ctx.b, query.rank, len(axes)
    rest = [axis for axis in range(rank - 1) if axis not in axes]  # heads are the last of them
    scaled = b.op("mul", query, b.scalar(1 / np.sqrt(float(size)), query))
    rows = _merged(ctx, scaled, [*rest, *axes, rank - 1], count, last=False)
    columns = _merged(ctx, key, [*rest, rank - 1, *axes], count, last=True)
    scores = b.op("matmul", rows, columns)
    shape = scores.shape
    full = (*shape[:-2], *(query.shape[axis] for axis in axes), *(key.shape[axis] for axis in axes))
    weights = _weights(ctx, scores if count == 1 else b.op("reshape", scores, shape=full), mask, count)
    flat = weights if count == 1 else b.op("reshape", weights, shape=shape)
    result = b.op("matmul", flat, _merged(ctx, value, [*rest, *axes, rank - 1], count, last=False))
    if count > 1:
        apart = (*shape[:-2], *(query.shape[axis] for axis in axes), value.shape[-1])
        result = b.op("reshape", result, shape=apart)
    order = [*rest, *axes, rank - 1]
    return [b.op("transpose", result, perm=tuple(order.index(axis) for axis in range(rank))), weights]


def _weights(ctx: Context, scores: Value, mask: Value | None, count: int) -> Value:
    """Softmax over the last ``count`` dimensions; what is masked has none of it.

    Where a row is masked throughout, all weigh the same; except in Keras 3 where it computes scores itself, for dropout, for who asks for
    them, or for more dimensions than its fused function takes: there such a row is 0 (Softmax, keras/src/layers/activations/softmax.py).
    """
    b = ctx.b
    if mask is not None:
        scores = b.op("select", mask, scores, negative(ctx, scores, -3e4, -1e9))
    weights = softmax(ctx, scores, tuple(range(scores.rank - count, scores.rank)))
    explicit = (
        ctx.layer.config.get("dropout") or _argument(ctx, "return_attention_scores") or scores.rank != 4
    )
    if mask is not None and explicit and ctx.provenance.keras_major >= 3:
        weights = b.op("select", mask, weights, b.scalar(0.0, weights))
    return weights


def _finish(ctx: Context, query: Value, result: Value, weights: Value, heads: int) -> list[Value]:
    """The heads' results, gated where they are, projected together; the query's mask goes on."""
    if ctx.layer.config.get("use_gate"):
        gate = ctx.b.op("sigmoid", _project(ctx, "gate", query, heads))
        result = ctx.b.op("mul", result, gate)
    lead = "abijklmn"[: result.rank - 2]
    given = ctx.layer.config.get("output_shape")
    out = "efgh"[: len(given) if isinstance(given, list | tuple) and given else 1]
    output = _with_bias(ctx, Product(ctx, result, f"{lead}cd,cd{out}->{lead}{out}", "attention_output"))
    mask = None if ctx.layer.class_name == "MultiHeadAttention" else _argument(ctx, "query_mask")
    if mask is None and ctx.masks is not None:
        mask = ctx.masks.of(query)
    if mask is not None:
        ctx.put_mask(output, mask)
    return [output, weights] if _argument(ctx, "return_attention_scores") else [output]


@lowers("MultiHeadAttention")
def lower_multi_head_attention(ctx: Context, *inputs: Value) -> list[Value]:
    """Attention in ``num_heads`` projections of query, key and value over ``attention_axes``, projected back together."""
    query, value, key = _three(ctx, inputs)
    axes, heads = _attention_axes(ctx, query.rank), integer(ctx, "num_heads")
    mask = _score_mask(ctx, query, value, key, len(axes))
    pairs = (("query", query), ("key", key), ("value", value))
    q, k, v = (_project(ctx, name, x, heads) for name, x in pairs)
    result, weights = _heads(ctx, q, k, v, mask, integer(ctx, "key_dim"), axes)
    outputs = _finish(ctx, query, result, weights, heads)
    if ctx.masks is not None and ctx.provenance.is_keras3_since(8):
        for x in (query, value, key):
            ctx.masks.take(x)
    return outputs


@lowers("GroupQueryAttention", "GroupedQueryAttention")
def lower_group_query_attention(ctx: Context, *inputs: Value) -> list[Value]:
    """Attention in ``num_query_heads``, of which each group shares one of ``num_key_value_heads``."""
    query, value, key = _three(ctx, inputs)
    if query.rank != 3:
        raise ctx.error(f"Query, value and key are (batch, time, features). Received: {query.type}")
    mask = _score_mask(ctx, query, value, key, 1)
    heads, shared = integer(ctx, "num_query_heads"), integer(ctx, "num_key_value_heads")
    q = _project(ctx, "query", query, heads)
    k, v = (
        _repeated(ctx, _project(ctx, name, x, shared), heads // shared)
        for name, x in (("key", key), ("value", value))
    )
    result, weights = _heads(ctx, q, k, v, mask, integer(ctx, "head_dim"), (1,))
    return _finish(ctx, query, result, weights, heads)


def _repeated(ctx: Context, x: Value, repeats: int) -> Value:
    """Each head (axis 2) ``repeats`` times, side by side."""
    if repeats == 1:
        return x
    indices = np.repeat(np.arange(int(str(x.shape[2]))), repeats).astype("int32")
    return ctx.b.op("gather", x, ctx.b.constant(indices, name="heads"), axis=2)
