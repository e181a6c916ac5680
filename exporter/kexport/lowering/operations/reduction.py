"""Reductions, arg-reductions and running sums over ``axis``: one, several, or all for None."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from kexport.ir import Value, dims, dtypes
from kexport.lowering.arguments import normalized_axis
from kexport.lowering.operations.elementwise import nan_to_num
from kexport.lowering.operations.operands import (
    arguments,
    as_float,
    cast,
    flag,
    flattened,
    length,
    only,
    option,
    promoted,
    reduced_axes,
    reshaped,
    sliced,
    tensor,
    transposed,
)
from kexport.lowering.registry import Context, lowers

_EXTREMES: Final = {"Amax": "max", "Amin": "min", "Max": "max", "Min": "min"}

#: A running product is a reduction of every element's own row: that many elements at most.
_LONGEST_PRODUCT: Final = 512


def wide_enough(x: Value) -> str:
    """The dtype that Keras sums and multiplies ``x`` in: 32 bits at least."""
    if x.dtype in ("bool", "int8", "int16"):
        return "int32"
    return "uint32" if x.dtype in ("uint8", "uint16") else x.dtype


def wide_float(x: Value) -> str:
    """The float dtype that Keras computes means in: float32 at least."""
    return "float64" if x.dtype == "float64" else "float32"


def reduce(ctx: Context, op: str, x: Value, axes: tuple[int, ...], *, keepdims: bool) -> Value:
    """``reduce_<op>`` over ``axes``; over none, x itself."""
    return ctx.b.op(f"reduce_{op}", x, axes=axes, keepdims=keepdims) if axes else x


def _over(ctx: Context, x: Value) -> tuple[tuple[int, ...], bool]:
    """The operation's axes and keepdims."""
    axis = option(ctx, "axis")
    axes = () if isinstance(axis, list | tuple) and not axis else reduced_axes(ctx, axis, x.rank)
    return axes, flag(ctx, "keepdims")


@lowers("ops.Sum", "ops.Prod")
def lower_sum(ctx: Context, *inputs: Value) -> Value:
    """The sum, or product; of small integers and bools in 32 bits."""
    x, name = only(ctx), ctx.layer.class_name.lower()
    x = cast(ctx, x, str(option(ctx, "dtype") or wide_enough(x)))
    axes, keepdims = _over(ctx, x)
    return reduce(ctx, name, x, axes, keepdims=keepdims)


@lowers("ops.Mean")
def lower_mean(ctx: Context, *inputs: Value) -> Value:
    """The mean, computed in float32 at least; of integers, float32."""
    x = only(ctx)
    axes, keepdims = _over(ctx, x)
    result = reduce(ctx, "mean", cast(ctx, x, wide_float(x)), axes, keepdims=keepdims)
    return cast(ctx, result, x.dtype if dtypes.is_float(x.dtype) else result.dtype)


@lowers("ops.Var", "ops.Std")
def lower_variance(ctx: Context, *inputs: Value) -> Value:
    """The mean of ``(x - mean)^2``, in float32 at least, and its root."""
    x = only(ctx)
    axes, keepdims = _over(ctx, x)
    _, result = mean_and_variance(ctx, cast(ctx, x, wide_float(x)), axes, keepdims=keepdims)
    result = ctx.b.op("sqrt", result) if ctx.layer.class_name == "Std" else result
    return cast(ctx, result, x.dtype if dtypes.is_float(x.dtype) else result.dtype)


def mean_and_variance(
    ctx: Context, x: Value, axes: tuple[int, ...], *, keepdims: bool
) -> tuple[Value, Value]:
    """``m = mean(x)`` and ``mean((x - m)^2)`` over ``axes``."""
    mean = reduce(ctx, "mean", x, axes, keepdims=True)
    squares = ctx.b.op("squared_difference", x, mean)
    variance = reduce(ctx, "mean", squares, axes, keepdims=keepdims)
    return (mean if keepdims or not axes else ctx.b.op("squeeze", mean, axes=axes)), variance


@lowers(*(f"ops.{name}" for name in _EXTREMES))
def lower_extreme(ctx: Context, *inputs: Value) -> Value:
    """The maximum, or minimum, and of that and ``initial``; of bools whether any, or all, hold."""
    x, name = only(ctx), _EXTREMES[ctx.layer.class_name]
    axes, keepdims = _over(ctx, x)
    initial = option(ctx, "initial")
    if x.dtype == "bool":
        result = reduce(ctx, "any" if name == "max" else "all", x, axes, keepdims=keepdims)
        if initial is None:
            return result
        return ctx.b.op(
            "logical_or" if name == "max" else "logical_and", result, tensor(ctx, initial, "bool")
        )
    result = reduce(ctx, name, x, axes, keepdims=keepdims)
    if initial is None:
        return result
    return ctx.b.op("maximum" if name == "max" else "minimum", result, tensor(ctx, initial, x.dtype))


@lowers("ops.Ptp")
def lower_ptp(ctx: Context, *inputs: Value) -> Value:
    """The maximum less the minimum."""
    x = only(ctx)
    axes, keepdims = _over(ctx, x)
    high, low = (reduce(ctx, name, x, axes, keepdims=keepdims) for name in ("max", "min"))
    return ctx.b.op("sub", high, low)


@lowers("ops.CountNonzero")
def lower_count_nonzero(ctx: Context, *inputs: Value) -> Value:
    """How many elements are not 0; int32."""
    x = only(ctx)
    axes, _ = _over(ctx, x)
    return reduce(ctx, "sum", cast(ctx, cast(ctx, x, "bool"), "int32"), axes, keepdims=False)


@lowers("ops.Logsumexp")
def lower_logsumexp(ctx: Context, *inputs: Value) -> Value:
    """``m + log(sum(exp(x - m)))``, m the maximum (0 where that is infinite)."""
    x, b = as_float(ctx, arguments(ctx, "x")[0]), ctx.b
    axes, keepdims = _over(ctx, x)
    most = reduce(ctx, "max", x, axes, keepdims=True)
    most = b.op("select", b.op("isfinite", most), most, b.scalar(0.0, x))
    total = reduce(ctx, "sum", b.op("exp", b.op("sub", x, most)), axes, keepdims=True)
    result = b.op("add", b.op("log", total), most)
    return result if keepdims or not axes else b.op("squeeze", result, axes=axes)


@lowers("ops.Average")
def lower_average(ctx: Context, *inputs: Value) -> Value:
    """``sum(x * weights) / sum(weights)``; weights of one dimension lie along ``axis``."""
    given, weights = arguments(ctx, "x", "weights")
    if weights is None:
        x = as_float(ctx, given)
        return reduce(ctx, "mean", x, _over(ctx, x)[0], keepdims=False)
    x, w = promoted(ctx, given, weights, also=("float",))
    axes, _ = _over(ctx, x)
    if w.rank != x.rank:
        if w.rank != 1 or len(axes) != 1:
            raise ctx.error(f"weights have the shape of x, or lie along one axis. Received: {w.type}")
        w = reshaped(ctx, w, tuple(w.shape[0] if axis == axes[0] else 1 for axis in range(x.rank)))
    total = reduce(ctx, "sum", ctx.b.op("mul", x, w), axes, keepdims=False)
    return ctx.b.op("div", total, reduce(ctx, "sum", w, axes, keepdims=False))


@lowers("ops.Argmax", "ops.Argmin")
def lower_arg(ctx: Context, *inputs: Value) -> Value:
    """Where the first maximum, or minimum, along ``axis`` is, in the flattened x for None; int32."""
    return _arg(ctx, only(ctx), ctx.layer.class_name.lower())


def _arg(ctx: Context, x: Value, op: str) -> Value:
    axis, keepdims = option(ctx, "axis"), flag(ctx, "keepdims")
    if axis is None:
        result = ctx.b.op(op, flattened(ctx, x), axis=0)
        return reshaped(ctx, result, (1,) * x.rank) if keepdims else result
    axis = normalized_axis(ctx, axis, x.rank)
    result = ctx.b.op(op, x, axis=axis)
    return ctx.b.op("expand_dims", result, axes=(axis,)) if keepdims else result


_NAN_FILLS: Final = {
    "Nanargmax": -math.inf,
    "Nanargmin": math.inf,
    "Nanmax": -math.inf,
    "Nanmin": math.inf,
    "Nanprod": 1.0,
    "Nansum": 0.0,
}


@lowers(*(f"ops.{name}" for name in _NAN_FILLS))
def lower_nan_reduction(ctx: Context, *inputs: Value) -> Value:
    """The reduction of what is no NaN; of nothing else, NaN for a maximum or minimum and -1 for where it is."""
    x, name, b = only(ctx), ctx.layer.class_name, ctx.b
    axes, keepdims = _over(ctx, x)
    op = name.removeprefix("Nan")
    if dtypes.is_float(x.dtype):
        missing = b.op("isnan", x)
        filled = b.op("select", missing, b.scalar(_NAN_FILLS[name], x), x)
    else:
        filled = cast(ctx, x, wide_enough(x)) if op in ("sum", "prod") else x
    arg = op.startswith("arg")
    result = _arg(ctx, filled, op) if arg else reduce(ctx, op, filled, axes, keepdims=keepdims)
    if not dtypes.is_float(x.dtype) or op in ("sum", "prod"):
        return result
    nothing = reduce(ctx, "all", missing, axes, keepdims=keepdims)
    return b.op("select", nothing, b.scalar(-1 if arg else math.nan, result), result)


@lowers("ops.Nanmean", "ops.Nanvar", "ops.Nanstd")
def lower_nan_mean(ctx: Context, *inputs: Value) -> Value:
    """Mean, variance and its root of what is no NaN."""
    x, b = as_float(ctx, arguments(ctx, "x")[0]), ctx.b
    axes, keepdims = _over(ctx, x)
    zero = b.scalar(0.0, x)
    missing = b.op("isnan", x)
    ones = b.op("select", missing, zero, b.scalar(1.0, x))

    def mean(value: Value, *, keep: bool) -> Value:
        total = reduce(ctx, "sum", b.op("select", missing, zero, value), axes, keepdims=keep)
        return b.op("div", total, reduce(ctx, "sum", ones, axes, keepdims=keep))

    if ctx.layer.class_name == "Nanmean":
        return mean(x, keep=keepdims)
    variance = mean(b.op("square", b.op("sub", x, mean(x, keep=True))), keep=keepdims)
    return variance if ctx.layer.class_name == "Nanvar" else b.op("sqrt", variance)


@lowers("ops.Cumsum", "ops.Nancumsum", "ops.Cumprod", "ops.Nancumprod")
def lower_running(ctx: Context, *inputs: Value) -> Value:
    """Running sums and products along ``axis``, of the flattened x for None; NaN counts as 0 and 1 in the Nan ones."""
    x, name = only(ctx), ctx.layer.class_name
    if name.startswith("Nan"):
        x = nan_to_num(ctx, x, 1.0 if name.endswith("prod") else 0.0, None, None)
    x = cast(ctx, x, str(option(ctx, "dtype") or x.dtype))
    x = cast(ctx, x, "int32") if x.dtype == "bool" else x
    axis = option(ctx, "axis")
    if axis is None:
        x, axis = flattened(ctx, x), 0
    axis = normalized_axis(ctx, axis, x.rank)
    return ctx.b.op("cumsum", x, axis=axis) if name.endswith("sum") else _cumprod(ctx, x, axis)


def _cumprod(ctx: Context, x: Value, axis: int) -> Value:
    """Row i of a square takes elements 0..i, the rest of it 1; the products of the rows."""
    size = length(ctx, x, axis)
    if size > _LONGEST_PRODUCT:
        raise ctx.error(f"Running products are lowered up to {_LONGEST_PRODUCT} elements. Received: {size}")
    perm = (*(i for i in range(x.rank) if i != axis), axis)
    last = ctx.b.op("expand_dims", transposed(ctx, x, perm), axes=(x.rank - 1,))
    before = ctx.b.constant(np.tri(size, dtype=bool), "bool", name="before")
    rows = ctx.b.op("select", before, last, ctx.b.scalar(1, x))
    product = ctx.b.op("reduce_prod", rows, axes=(x.rank,))
    return transposed(ctx, product, tuple(perm.index(i) for i in range(x.rank)))


@lowers("ops.Diff")
def lower_diff(ctx: Context, *inputs: Value) -> Value:
    """``x[1:] - x[:-1]`` along ``axis``, n times; of bools whether they differ."""
    x = only(ctx, "a")
    axis = normalized_axis(ctx, option(ctx, "axis", -1), x.rank)
    op = "not_equal" if x.dtype == "bool" else "sub"
    for _ in range(int(option(ctx, "n", 1))):
        x = ctx.b.op(op, sliced(ctx, x, axis, 1, None), sliced(ctx, x, axis, 0, -1))
    return x


@lowers("ops.Trapezoid")
def lower_trapezoid(ctx: Context, *inputs: Value) -> Value:
    """``sum((y[1:] + y[:-1]) / 2 * dx)`` along ``axis``."""
    y = as_float(ctx, arguments(ctx, "y")[0])
    axis = normalized_axis(ctx, option(ctx, "axis", -1), y.rank)
    heights = ctx.b.op("add", sliced(ctx, y, axis, 1, None), sliced(ctx, y, axis, 0, -1))
    points = option(ctx, "x")
    if points is None:
        widths = tensor(ctx, 0.5 * np.asarray(option(ctx, "dx", 1.0)), y.dtype)
    else:
        steps = 0.5 * np.diff(np.asarray(points, np.float64))
        widths = tensor(ctx, steps.reshape([-1 if i == axis else 1 for i in range(y.rank)]), y.dtype)
    return ctx.b.op("reduce_sum", ctx.b.op("mul", heights, widths), axes=(axis,))


@lowers("ops.Digitize", "ops.SearchSorted")
def lower_digitize(ctx: Context, *inputs: Value) -> Value:
    """How many of the ascending bins are not above each element (``side="left"`` of SearchSorted: below it); int32."""
    if ctx.layer.class_name == "Digitize":
        x, bins = arguments(ctx, "x", "bins")
        op = "less_equal"
    else:
        bins, x = arguments(ctx, "sorted_sequence", "values")
        op = "less" if option(ctx, "side", "left") == "left" else "less_equal"
    value, edges = promoted(ctx, x, bins if isinstance(bins, Value) else np.asarray(bins, np.float32))
    if edges.rank != 1:
        raise ctx.error(f"Bins have one dimension. Received: {edges.type}")
    below = ctx.b.op(op, edges, ctx.b.op("expand_dims", value, axes=(value.rank,)))
    return ctx.b.op("reduce_sum", cast(ctx, below, "int32"), axes=(value.rank,))


@lowers("ops.Moments")
def lower_moments(ctx: Context, *inputs: Value) -> list[Value]:
    """Mean and variance over ``axes``, of float16 and bfloat16 in float32."""
    x = only(ctx)
    axes: Any = reduced_axes(ctx, option(ctx, "axes"), x.rank)
    wide = cast(ctx, x, wide_float(x) if dtypes.is_float(x.dtype) else x.dtype)
    return [
        cast(ctx, value, x.dtype)
        for value in mean_and_variance(ctx, wide, axes, keepdims=flag(ctx, "keepdims"))
    ]


@lowers("ops.Norm")
def lower_norm(ctx: Context, *inputs: Value) -> Value:
    """``sum(|x|^ord)^(1/ord)`` of vectors (None: 2; 0 counts, the infinities are the extremes); of matrices the root of
    the sum of squares (None, "fro") or the largest or smallest sum of ``|x|`` (1, -1, inf, -inf)."""
    x = as_float(ctx, arguments(ctx, "x")[0])
    axis, keepdims = option(ctx, "axis"), flag(ctx, "keepdims")
    axes = reduced_axes(ctx, axis, x.rank)
    order = option(ctx, "ord")
    if len(axes) == 1:
        return vector_norm(ctx, x, axes, 2 if order is None else order, keepdims=keepdims)
    if order in (None, "fro"):
        return vector_norm(ctx, x, axes, 2, keepdims=keepdims)
    if order not in (1, -1, math.inf, -math.inf) or len(axes) != 2:
        raise ctx.error(
            f"ord of a matrix is None, 'fro', 1, -1 or an infinity (others need its singular values). Received: {order!r}"
        )
    given = [int(index) % x.rank for index in (axes if axis is None else axis)]
    summed, kept = given if abs(order) == 1 else given[::-1]
    total = ctx.b.op("reduce_sum", ctx.b.op("abs", x), axes=(summed,), keepdims=True)
    result = reduce(ctx, "max" if order > 0 else "min", total, (kept,), keepdims=True)
    return result if keepdims else ctx.b.op("squeeze", result, axes=axes)


def vector_norm(ctx: Context, x: Value, axes: tuple[int, ...], order: Any, *, keepdims: bool) -> Value:
    """``sum(|x|^order)^(1/order)`` over ``axes``."""
    b = ctx.b
    if isinstance(order, str):
        raise ctx.error(f"ord of a vector is a number. Received: {order!r}")
    if order == 2:
        return b.op("sqrt", reduce(ctx, "sum", b.op("square", x), axes, keepdims=keepdims))
    if math.isinf(order):
        return reduce(ctx, "max" if order > 0 else "min", b.op("abs", x), axes, keepdims=keepdims)
    if order == 0:
        return reduce(ctx, "sum", cast(ctx, cast(ctx, x, "bool"), x.dtype), axes, keepdims=keepdims)
    if order == 1:
        return reduce(ctx, "sum", b.op("abs", x), axes, keepdims=keepdims)
    powers = b.op("pow", b.op("abs", x), b.scalar(order, x))
    return b.op("pow", reduce(ctx, "sum", powers, axes, keepdims=keepdims), b.scalar(1 / order, x))


@lowers("ops.Size", "ops.Ndim")
def lower_size(ctx: Context, *inputs: Value) -> Value:
    """The number of elements, or dimensions; int32."""
    x = only(ctx)
    total = dims.product(x.shape) if ctx.layer.class_name == "Size" else x.rank
    if not isinstance(total, int):
        raise ctx.error(
            f"The number of elements is known. Received: {x.type}", hint="Give the dimensions a length."
        )
    return ctx.b.constant(total, "int32", name="size")
