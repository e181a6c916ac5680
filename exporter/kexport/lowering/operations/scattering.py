"""Values put where indices say, and put together by segments."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from kexport.ir import Dim, Value, dims, dtypes
from kexport.lowering.operations.operands import (
    arguments,
    cast,
    length,
    option,
    reshaped,
    tensor,
)
from kexport.lowering.registry import Context, lowers

#: reduction → (graph op of two tensors, graph op over an axis).
_REDUCTIONS: Final = {
    "add": ("add", "reduce_sum"),
    "max": ("maximum", "reduce_max"),
    "min": ("minimum", "reduce_min"),
    "mul": ("mul", "reduce_prod"),
}


def _neutral(reduction: str, dtype: str) -> float:
    """What leaves a reduction as it is."""
    if reduction in ("add", "mul"):
        return float(reduction == "mul")
    if dtypes.is_float(dtype):
        return -np.inf if reduction == "max" else np.inf
    limits = np.iinfo(dtype)
    return int(limits.min if reduction == "max" else limits.max)


def _positions(ctx: Context, indices: Value, shape: tuple[Dim, ...]) -> tuple[Value, int]:
    """Indices (..., depth) into the first ``depth`` dimensions of ``shape`` as numbers (n,) of one dimension, and its length."""
    depth = length(ctx, indices, indices.rank - 1)
    sides = [int(str(dim)) if isinstance(dim, int) else None for dim in shape[:depth]]
    if None in sides or depth > len(shape):
        raise ctx.error(
            f"Indices are into dimensions of known lengths. Received: {indices.type} into {dims.format_shape(shape)}",
            hint="Give the dimensions a length when exporting.",
        )
    known = [side for side in sides if side is not None]
    strides = np.cumprod([1, *known[:0:-1]])[::-1].astype("int32")
    rows = cast(ctx, reshaped(ctx, indices, (dims.product(indices.shape[:-1]), depth)), "int32")
    scaled = ctx.b.op("mul", rows, ctx.b.constant(strides, "int32", name="strides"))
    return ctx.b.op("reduce_sum", scaled, axes=(1,)), int(np.prod(known))


def _hits(ctx: Context, positions: Value, cells: int) -> Value:
    """(n, cells): whether row i goes to cell j."""
    row = ctx.b.constant(np.arange(cells, dtype="int32"), name="cells")
    return ctx.b.op("equal", ctx.b.op("expand_dims", positions, axes=(1,)), row)


def _gathered(ctx: Context, values: Value, hits: Value, reduction: str) -> Value:
    """Rows (n, size) put together a cell: (cells, size)."""
    b = ctx.b
    rows = b.op("expand_dims", values, axes=(1,))
    neutral = b.scalar(_neutral(reduction, values.dtype), values)
    each = b.op("select", b.op("expand_dims", hits, axes=(2,)), rows, neutral)
    return b.op(_REDUCTIONS[reduction][1], each, axes=(0,))


@lowers("ops.Scatter")
def lower_scatter(ctx: Context, *inputs: Value) -> Value:
    """A tensor of ``shape`` with ``values`` at ``indices`` (..., depth), 0 elsewhere; what goes to one place adds up."""
    given, found = arguments(ctx, "indices", "values")
    indices, values = tensor(ctx, given), tensor(ctx, found)
    shape = tuple(int(side) for side in option(ctx, "shape"))
    positions, cells = _positions(ctx, indices, shape)
    size = dims.product(shape[length(ctx, indices, indices.rank - 1) :])
    rows = reshaped(ctx, values, (positions.shape[0], size))
    return reshaped(ctx, _gathered(ctx, rows, _hits(ctx, positions, cells), "add"), shape)


@lowers("ops.ScatterUpdate")
def lower_scatter_update(ctx: Context, *inputs: Value) -> Value:
    """``inputs`` with ``updates`` in place of what is at ``indices`` (..., depth), the last one where several are; or that
    and they put together by ``reduction``: "add", "max", "min", "mul"."""
    given, found, new = arguments(ctx, "inputs", "indices", "updates")
    x, indices, reduction = tensor(ctx, given), tensor(ctx, found), option(ctx, "reduction")
    if reduction not in (None, *_REDUCTIONS):
        raise ctx.error(f"reduction is None, 'add', 'max', 'min' or 'mul'. Received: {reduction!r}")
    positions, cells = _positions(ctx, indices, x.shape)
    size = dims.product(x.shape[length(ctx, indices, indices.rank - 1) :])
    before = reshaped(ctx, x, (cells, size))
    updates = reshaped(ctx, tensor(ctx, new, x.dtype), (positions.shape[0], size))
    hits = _hits(ctx, positions, cells)
    if reduction is None:
        result = _replaced(ctx, before, updates, hits)
    else:
        result = ctx.b.op(_REDUCTIONS[reduction][0], before, _gathered(ctx, updates, hits, reduction))
    return reshaped(ctx, result, x.shape)


def _replaced(ctx: Context, before: Value, updates: Value, hits: Value) -> Value:
    """``before`` (cells, size) with, in each cell, the last of the rows (n, size) that go there."""
    b = ctx.b
    numbers = b.constant(np.arange(length(ctx, updates, 0), dtype="int32")[:, None], name="rows")
    none = b.scalar(-1, numbers)
    last = b.op("reduce_max", b.op("select", hits, numbers, none), axes=(0,))
    rows = b.op("gather", updates, b.op("maximum", last, b.scalar(0, last)), axis=0)
    written = b.op("expand_dims", b.op("not_equal", last, none), axes=(1,))
    return b.op("select", written, rows, before)


_SEGMENTS: Final = {"SegmentMax": "max", "SegmentMin": "min", "SegmentProd": "mul", "SegmentSum": "add"}


@lowers(*(f"ops.{name}" for name in _SEGMENTS))
def lower_segments(ctx: Context, *inputs: Value) -> Value:
    """The rows of ``data`` put together by their segment's number; of no rows 0, 1, or the lowest or highest number that
    the dtype has. Numbers beyond ``num_segments`` are dropped."""
    given, found = arguments(ctx, "data", "segment_ids")
    data, numbers = tensor(ctx, given), cast(ctx, tensor(ctx, found), "int32")
    count: Any = option(ctx, "num_segments")
    if count is None:
        raise ctx.error("Without num_segments, the length of its result depends on the data")
    reduction = _SEGMENTS[ctx.layer.class_name]
    size = dims.product(data.shape[1:])
    hits = _hits(ctx, numbers, int(count))
    result = _gathered(ctx, reshaped(ctx, data, (data.shape[0], size)), hits, reduction)
    if dtypes.is_float(data.dtype) and reduction in ("max", "min"):
        limit = 3.3895313892515355e38 if data.dtype == "bfloat16" else float(np.finfo(data.dtype).max)
        empty = ctx.b.op("logical_not", ctx.b.op("reduce_any", hits, axes=(0,)))
        last = ctx.b.scalar(-limit if reduction == "max" else limit, result)
        result = ctx.b.op("select", ctx.b.op("expand_dims", empty, axes=(1,)), last, result)
    return reshaped(ctx, result, (int(count), *data.shape[1:]))
