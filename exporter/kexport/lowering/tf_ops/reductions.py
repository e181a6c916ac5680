"""Reductions, running sums, sorting, segments."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from kexport.ir import Value
from kexport.lowering.operations.operands import cast, flattened, length
from kexport.lowering.operations.reduction import mean_and_variance, reduce
from kexport.lowering.tf_ops.calls import Call, computes, dtype_name

_REDUCTIONS: Final = {
    f"reduce_{name}": f"reduce_{name}" for name in ("all", "any", "max", "mean", "min", "prod", "sum")
}


def _over(call: Call, x: Value, item: Any = None) -> tuple[tuple[int, ...], bool]:
    """The axes, and whether they stay."""
    axes = call.arg("axis", "axes", "reduction_indices") if item is None else item
    return call.axes(axes, x.rank), call.flag("keepdims", "keep_dims")


@computes(*_REDUCTIONS)
def reduction(call: Call) -> Value:
    """Over ``axis`` (all for None), in the dtype of x."""
    x = call.x
    axes, keepdims = _over(call, x)
    name = call.name.rpartition(".")[2].removeprefix("reduce_")
    return reduce(call.ctx, name, x, axes, keepdims=keepdims)


@computes("reduce_logsumexp", "reduce_std", "reduce_variance", "reduce_euclidean_norm")
def composed_reduction(call: Call) -> Value:
    """``log(sum(exp(x)))``, the root of the mean of ``(x - mean)^2`` and that mean, the root of the sum of squares."""
    x, name, b = call.x, call.name.rpartition(".")[2], call.ctx.b
    axes, keepdims = _over(call, x)
    if name == "reduce_logsumexp":
        result: Value = call.operation(
            "Logsumexp", x, module="math", axis=list(axes) or None, keepdims=keepdims
        )
        return result
    if name == "reduce_euclidean_norm":
        return b.op("sqrt", reduce(call.ctx, "sum", b.op("square", x), axes, keepdims=keepdims))
    _, variance = mean_and_variance(call.ctx, x, axes, keepdims=keepdims)
    return b.op("sqrt", variance) if name == "reduce_std" else variance


@computes("moments")
def moments(call: Call) -> list[Value]:
    """The mean and the variance over ``axes``."""
    x = call.x
    axes, keepdims = _over(call, x)
    return list(mean_and_variance(call.ctx, x, axes, keepdims=keepdims))


@computes("count_nonzero")
def counted(call: Call) -> Value:
    """How many elements are not 0; int64 unless ``dtype`` says otherwise."""
    x = call.x
    axes, keepdims = _over(call, x)
    ones = cast(call.ctx, cast(call.ctx, x, "bool"), "int32")
    total = reduce(call.ctx, "sum", ones, axes, keepdims=keepdims)
    return cast(call.ctx, total, dtype_name(call, call.arg("dtype", default="int64")))


@computes("argmax", "argmin")
def arg_reduction(call: Call) -> Value:
    """Where the first maximum, or minimum, along ``axis`` is; int64 unless ``output_type`` says otherwise."""
    x = call.x
    axis = call.axis(call.arg("axis", "dimension", default=0), x.rank)
    found = call.ctx.b.op(call.name.rpartition(".")[2], x, axis=axis)
    return cast(call.ctx, found, dtype_name(call, call.arg("output_type", default="int64")))


@computes("cumsum", "cumprod")
def running(call: Call) -> Value:
    """Running sums, or products, along ``axis``."""
    x = call.x
    axis = call.axis(call.arg("axis", default=0), x.rank)
    exclusive, backwards = call.flag("exclusive"), call.flag("reverse")
    if call.name.endswith("cumsum"):
        return call.ctx.b.op("cumsum", x, axis=axis, exclusive=exclusive, reverse=backwards)
    if exclusive:
        raise call.ctx.error("tf.math.cumprod is lowered without exclusive. Received: exclusive=True")
    turned = call.ctx.b.op("reverse", x, axes=(axis,)) if backwards else x
    result: Value = call.operation("Cumprod", turned, axis=axis)
    return call.ctx.b.op("reverse", result, axes=(axis,)) if backwards else result


@computes("norm")
def norm(call: Call) -> Value:
    """The norm ``ord`` (Euclidean by default) over ``axis``: one of vectors, two of matrices, all together for None."""
    x, order = call.x, call.arg("ord", default="euclidean")
    axis = call.arg("axis")
    axes = None if axis is None else call.integers(axis)
    x = flattened(call.ctx, x) if axes is None and order not in ("euclidean", "fro", 2) else x
    kind = None if order in ("euclidean", "fro") else _order(call, order)
    if kind is None or (axes is None and kind == 2):
        squares, over = call.ctx.b.op("square", x), call.axes(axes, x.rank)
        return call.ctx.b.op(
            "sqrt", reduce(call.ctx, "sum", squares, over, keepdims=call.flag("keepdims", "keep_dims"))
        )
    options = {"axis": axes, "keepdims": call.flag("keepdims", "keep_dims")}
    result: Value = call.operation("Norm", x, module="linalg", ord=kind, **options)
    return result


def _order(call: Call, order: Any) -> float:
    return float("inf") if order in ("inf", "Infinity") else float(call.number(order))


@computes("l2_normalize", "normalize")
def normalized(call: Call) -> Value | list[Value]:
    """``x / sqrt(max(sum(x^2), epsilon))`` over ``axis``; ``normalize``: ``x / norm`` and the norm."""
    x, b = call.x, call.ctx.b
    axes = call.axes(call.arg("axis", "dim"), x.rank)
    total = b.op("reduce_sum", b.op("square", x), axes=axes, keepdims=True)
    if call.name.endswith("l2_normalize"):
        floor = b.scalar(float(call.number(call.arg("epsilon", default=1e-12))), x)
        return b.op("mul", x, b.op("rsqrt", b.op("maximum", total, floor)))
    if call.arg("ord", default="euclidean") != "euclidean":
        raise call.ctx.error(
            f"tf.linalg.normalize is lowered for the Euclidean norm. Received: {call.arg('ord')!r}"
        )
    size = b.op("sqrt", total)
    return [b.op("div", x, size), size]


@computes("l2_loss")
def l2_loss(call: Call) -> Value:
    """``sum(x^2) / 2``."""
    x, b = call.x, call.ctx.b
    total = b.op("reduce_sum", b.op("square", x), axes=tuple(range(x.rank)))
    return b.op("mul", total, b.scalar(0.5, total))


@computes("top_k")
def top_k(call: Call) -> list[Value]:
    """The k largest along the last axis, largest first, and where they are."""
    values, indices = call.ctx.b.ops("top_k", call.x, k=int(call.number(call.arg("k", default=1))))
    return [values, cast(call.ctx, indices, dtype_name(call, call.arg("index_type", default="int32")))]


@computes("in_top_k")
def in_top_k(call: Call) -> Value:
    """Whether fewer than k predictions are above the target's."""
    predictions = call.arg("predictions", "targets")
    pair = (call.first, predictions)
    # tf.compat.v1 has them the other way round.
    targets, table = pair if call.tensor(predictions).rank == 2 else pair[::-1]
    result: Value = call.operation("InTopK", targets, table, module="math", k=int(call.number(call.arg("k"))))
    return result


@computes("sort", "argsort")
def ordered(call: Call) -> Value:
    """Elements, or their indices, in ascending or descending order along ``axis``; equal ones keep theirs."""
    x, b = call.x, call.ctx.b
    axis = call.axis(call.arg("axis", default=-1), x.rank)
    argsort = call.name.endswith("argsort")
    if str(call.arg("direction", default="ASCENDING")) == "ASCENDING":
        result: Value = call.operation("Argsort" if argsort else "Sort", x, axis=axis)
        return result
    swap = tuple({axis: x.rank - 1, x.rank - 1: axis}.get(index, index) for index in range(x.rank))
    turned = b.op("transpose", x, perm=swap)
    pair = b.ops("top_k", turned, k=length(call.ctx, turned, x.rank - 1))
    return b.op("transpose", pair[argsort], perm=swap)


_SEGMENTS: Final = {"max": "SegmentMax", "min": "SegmentMin", "prod": "SegmentProd", "sum": "SegmentSum"}


@computes(*(f"unsorted_segment_{name}" for name in _SEGMENTS))
def segments(call: Call) -> Value:
    """The rows put together by their segment's number."""
    name = _SEGMENTS[call.name.rpartition("_")[2]]
    count = int(call.number(call.arg("num_segments")))
    result: Value = call.operation(
        name, call.first, call.arg("segment_ids"), module="math", num_segments=count
    )
    return result


@computes("searchsorted")
def searchsorted(call: Call) -> Value:
    """Where each value would be put into the ascending sequence; int32 unless ``out_type`` says otherwise."""
    side = str(call.arg("side", default="left"))
    result: Value = call.operation("SearchSorted", call.first, call.arg("values"), side=side)
    return cast(call.ctx, result, dtype_name(call, call.arg("out_type", default="int32")))


@computes("sequence_mask")
def sequence_mask(call: Call) -> Value:
    """Whether each of ``maxlen`` steps is within its row's length."""
    x, b = call.x, call.ctx.b
    if call.arg("maxlen") is None:
        raise call.ctx.error(
            "Without maxlen, the length of what tf.sequence_mask returns depends on the data"
        )
    steps = np.arange(int(call.number(call.arg("maxlen"))))
    row = call.tensor(steps, x.dtype)
    mask = b.op("less", row, b.op("expand_dims", x, axes=(x.rank,)))
    return cast(call.ctx, mask, dtype_name(call, call.arg("dtype", default="bool")))
