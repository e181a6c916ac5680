"""Sorting and what rests on it: the largest elements, orders, quantiles, unique elements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from kexport.ir import Array, Value, dims, dtypes
from kexport.lowering.arguments import normalized_axis
from kexport.lowering.operations.operands import (
    arguments,
    array_of,
    as_float,
    cast,
    flag,
    flattened,
    length,
    only,
    option,
    reduced_axes,
    reshaped,
    tensor,
    transposed,
)
from kexport.lowering.registry import Context, lowers


@lowers("ops.TopK")
def lower_top_k(ctx: Context, *inputs: Value) -> list[Value]:
    """The ``k`` largest along the last axis and where they are (int32), the larger first, of equal ones the one that comes first.

    With ``sorted=False`` Keras leaves their order to the backend; they come in this one.
    """
    x = only(ctx)
    values, indices = ctx.b.ops(
        "top_k", cast(ctx, x, "int32") if x.dtype == "bool" else x, k=int(option(ctx, "k"))
    )
    return [cast(ctx, values, x.dtype), indices]


@lowers("ops.Sort", "ops.Argsort")
def lower_sort(ctx: Context, *inputs: Value) -> Value:
    """``x`` in ascending order along ``axis`` (flattened for None), or the int32 indices that put it so; equal elements keep
    their order."""
    x, axis = only(ctx), option(ctx, "axis", -1)
    if axis is None:
        x, axis = flattened(ctx, x), 0
    axis = normalized_axis(ctx, axis, x.rank)
    # Swapping two axes is its own inverse.
    swap = tuple({axis: x.rank - 1, x.rank - 1: axis}.get(index, index) for index in range(x.rank))
    pair = ascending(ctx, transposed(ctx, x, swap), length(ctx, x, axis))
    return transposed(ctx, pair[ctx.layer.class_name == "Argsort"], swap)


def ascending(ctx: Context, x: Value, count: int) -> tuple[Value, Value]:
    """The ``count`` smallest along the last axis, the smaller first, and where they are: the largest of ``-x``, of ``-1 - x``
    for integers and of ``max - x`` for unsigned ones, which do not overflow (``_ascending_sort`` in TensorFlow's sort_ops.py)."""
    b = ctx.b
    key = cast(ctx, x, "int32") if x.dtype in ("bool", "int8", "uint8", "int16", "uint16") else x
    if dtypes.is_float(key.dtype):
        values, indices = b.ops("top_k", b.op("neg", key), k=count)
        return b.op("neg", values), indices
    mirror = -1 if key.dtype in dtypes.SIGNED else np.iinfo(key.dtype).max
    most = b.scalar(mirror, key)
    values, indices = b.ops("top_k", b.op("sub", most, key), k=count)
    return cast(ctx, b.op("sub", most, values), x.dtype), indices


_METHODS: Final[dict[str, Callable[[Array], Array]]] = {
    "lower": np.floor,
    "higher": np.ceil,
    "nearest": np.round,
}


def _places(ctx: Context, q: Array, count: int, method: str) -> tuple[Array, Array, Array]:
    """Of ``count`` sorted elements: the lower and the upper one that quantile ``q`` lies between, and the lower one's share.

    ``_quantile`` in keras/src/backend/tensorflow/numpy.py (v3.15), which works them out in float64.
    """
    exact = (count - 1) * q.astype(np.float64)
    if method in _METHODS:
        place = np.clip(_METHODS[method](exact), 0, count - 1).astype(int)
        return place, place, np.zeros(q.shape)
    low, high = (np.clip(function(exact), 0, count - 1).astype(int) for function in (np.floor, np.ceil))
    if method == "midpoint":
        return low, high, np.full(q.shape, 0.5)
    if method != "linear":
        raise ctx.error(
            f"method is 'linear', 'lower', 'higher', 'nearest' or 'midpoint'. Received: {method!r}"
        )
    low = np.maximum(high - 1, 0)
    high = np.minimum(low + 1, count - 1)
    return low, high, high - exact


def _blended(ctx: Context, low: Value, high: Value, share: Value) -> Value:
    one = ctx.b.scalar(1.0, high)
    rest = ctx.b.op("mul", high, ctx.b.op("sub", one, share))
    return ctx.b.op("add", rest, ctx.b.op("mul", low, share))


@lowers("ops.Median", "ops.Quantile", "ops.Percentile")
def lower_quantile(ctx: Context, *inputs: Value) -> Value:
    """The element that a share ``q`` of those over ``axis`` is below, between two neighbours as ``method`` says; NaN where there is
    one. Several q come along a new first axis. ``Quantile`` is linear whatever its method: Keras 3.15 does not hand it on."""
    x, q, method = _quantile_arguments(ctx, percent=ctx.layer.class_name == "Percentile")
    method = method if ctx.layer.class_name == "Percentile" else "linear"
    rows, axes = _rows(ctx, x)
    b = ctx.b
    low, high, share = _places(ctx, q, length(ctx, rows, rows.rank - 1), method)
    missing = b.op("isnan", rows)
    # NaN has no place in an order; the result is NaN anyway.
    values, _ = ascending(ctx, b.op("select", missing, b.scalar(0.0, rows), rows), int(high.max()) + 1)
    under, over = (_taken(ctx, values, places) for places in (low, high))
    result = under if method in _METHODS else _blended(ctx, under, over, tensor(ctx, share, x.dtype))
    nothing = b.op("reduce_any", missing, axes=(rows.rank - 1,), keepdims=q.ndim > 0)
    result = b.op("select", nothing, b.scalar(np.nan, result), result)
    return _with_q_first(ctx, result, x, axes, several=q.ndim > 0)


def _taken(ctx: Context, x: Value, places: Array) -> Value:
    indices = ctx.b.constant(places.astype("int32"), name="places")
    return ctx.b.op("gather", x, indices, axis=x.rank - 1)


def _quantile_arguments(ctx: Context, *, percent: bool) -> tuple[Value, Array, str]:
    """``x`` in floats, q between 0 and 1 as Keras rounds it, and the method."""
    if "edian" in ctx.layer.class_name:
        return as_float(ctx, arguments(ctx, "x")[0]), np.asarray(0.5), "linear"
    given, wanted = arguments(ctx, "x", "q")
    q = array_of(ctx, wanted)
    if percent:
        q = q.astype(np.float32) / np.float32(100)
    if q.ndim > 1:
        raise ctx.error(f"q is a number or a list of them. Received: {wanted!r}")
    return as_float(ctx, given), q, str(option(ctx, "method", "linear"))


def _rows(ctx: Context, x: Value) -> tuple[Value, tuple[int, ...]]:
    """``x`` with the operation's axes at the end, as one; and the axes."""
    axis = option(ctx, "axis")
    axes = reduced_axes(ctx, axis, x.rank)
    kept = tuple(index for index in range(x.rank) if index not in axes)
    last = dims.product(tuple(x.shape[index] for index in axes))
    turned = transposed(ctx, x, (*kept, *axes))
    return reshaped(ctx, turned, (*(x.shape[index] for index in kept), last)), axes


def _with_q_first(ctx: Context, result: Value, x: Value, axes: tuple[int, ...], *, several: bool) -> Value:
    """(rest of x, q) as (q, rest of x), with the axes as 1 where they are kept."""
    if flag(ctx, "keepdims"):
        shape = tuple(1 if index in axes else dim for index, dim in enumerate(x.shape))
        result = reshaped(ctx, result, (*shape, *result.shape[-1:]) if several else shape)
    if not several:
        return result
    return transposed(ctx, result, (result.rank - 1, *range(result.rank - 1)))


@lowers("ops.Nanmedian", "ops.Nanquantile", "ops.Nanpercentile")
def lower_nan_quantile(ctx: Context, *inputs: Value) -> Value:
    """The quantile of what is no NaN; NaN where nothing else is. How many there are says which places to look at: tables have
    them for each count."""
    if option(ctx, "axis") in ((), []):
        return as_float(ctx, arguments(ctx, "x")[0])
    x, given, method = _quantile_arguments(ctx, percent="ercentile" in ctx.layer.class_name)
    q = given.astype(np.float32)
    rows, axes = _rows(ctx, x)
    b, size = ctx.b, length(ctx, rows, rows.rank - 1)
    lead = rows.shape[:-1]
    flat = reshaped(ctx, rows, (dims.product(lead), size))
    missing = b.op("isnan", flat)
    values, _ = ascending(ctx, b.op("select", missing, b.scalar(np.inf, flat), flat), size)
    count = b.op("reduce_sum", cast(ctx, b.op("logical_not", missing), "int32"), axes=(1,))
    tables = [
        np.stack(column)
        for column in zip(
            *(_places(ctx, np.atleast_1d(q), max(n, 1), method) for n in range(size + 1)), strict=True
        )
    ]
    low, high = (_looked_up(ctx, table.astype("int32"), "int32", count) for table in tables[:2])
    under, over = (b.op("gather", values, places, axis=1, batch_dims=1) for places in (low, high))
    share = _looked_up(ctx, tables[2], x.dtype, count)
    result = under if method in _METHODS else _blended(ctx, under, over, share)
    nothing = b.op("equal", b.op("expand_dims", count, axes=(1,)), b.scalar(0, count))
    result = b.op("select", nothing, b.scalar(np.nan, result), result)
    result = reshaped(ctx, result, (*lead, q.size) if q.ndim else lead)
    return _with_q_first(ctx, result, x, axes, several=q.ndim > 0)


def _looked_up(ctx: Context, table: Array, dtype: str, rows: Value) -> Value:
    return ctx.b.op("gather", tensor(ctx, table, dtype), rows, axis=0)


@lowers("ops.Unique")
def lower_unique(ctx: Context, *inputs: Value) -> list[Value]:
    """The first ``size`` of the different elements of the flattened x, ascending, ``fill_value`` after them; then, as asked for,
    where each is first (1 for the fills), the place of each element of x among them, and how often each stands.

    keras/src/backend/tensorflow/numpy.py (v3.15).
    """
    x, size = only(ctx), option(ctx, "size")
    if size is None:
        raise ctx.error("Without size, the length of its result depends on the data")
    if not option(ctx, "sorted", True) or (option(ctx, "axis") is not None and x.rank != 1):
        raise ctx.error("It is lowered for sorted=True, and with an axis for one dimension only")
    b, flat = ctx.b, flattened(ctx, x)
    count = length(ctx, flat, 0)
    values, order = ascending(ctx, flat, count)
    first = b.constant(np.arange(count) == 0, "bool", name="first")
    before = b.op(
        "gather",
        values,
        b.constant(np.maximum(np.arange(count) - 1, 0).astype("int32"), name="before"),
        axis=0,
    )
    first = b.op("logical_or", first, b.op("not_equal", values, before))
    place = b.op("sub", b.op("cumsum", cast(ctx, first, "int32"), axis=0), b.scalar(1, order))
    slots = b.constant(np.arange(int(size), dtype="int32"), name="slots")
    member = b.op("equal", b.op("expand_dims", place, axes=(1,)), slots)
    heads = b.op("logical_and", member, b.op("expand_dims", first, axes=(1,)))
    present = b.op("reduce_any", heads, axes=(0,))
    fill = option(ctx, "fill_value")
    results = [_at_heads(ctx, values, heads, present, 0 if fill is None else fill)]
    if option(ctx, "return_index"):
        results.append(_at_heads(ctx, order, heads, present, 1))
    if option(ctx, "return_inverse"):
        below = b.op("less", values, b.op("expand_dims", flat, axes=(1,)))
        counted = cast(ctx, b.op("logical_and", below, first), "int32")
        results.append(reshaped(ctx, b.op("reduce_sum", counted, axes=(1,)), x.shape))
    if option(ctx, "return_counts"):
        results.append(b.op("reduce_sum", cast(ctx, member, "int32"), axes=(0,)))
    return results


def _at_heads(ctx: Context, values: Value, heads: Value, present: Value, fill: Any) -> Value:
    """The one value of each column of ``heads``, ``fill`` where there is none."""
    b, dtype = ctx.b, values.dtype
    wide = cast(ctx, values, "int32") if dtype == "bool" else values
    each = b.op("select", heads, b.op("expand_dims", wide, axes=(1,)), b.scalar(0, wide))
    found = b.op("reduce_sum", each, axes=(0,))
    return cast(ctx, b.op("select", present, found, b.scalar(fill, wide)), dtype)
