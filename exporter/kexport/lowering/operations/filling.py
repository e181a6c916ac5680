"""Tensors of known numbers in the shape of others; ranges; diagonals and triangles."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from kexport.ir import Array, Value
from kexport.loading.spec import Filled
from kexport.lowering.arguments import normalized_axis
from kexport.lowering.filled import filled
from kexport.lowering.operations.operands import (
    arguments,
    cast,
    flattened,
    full,
    length,
    only,
    option,
    promoted,
    reshaped,
    tensor,
)
from kexport.lowering.operations.reduction import wide_enough
from kexport.lowering.operations.shape import moved
from kexport.lowering.registry import Context, lowers

_LIKE: Final = {"EmptyLike": 0, "OnesLike": 1, "ZerosLike": 0}


@lowers(*(f"ops.{name}" for name in _LIKE))
def lower_like(ctx: Context, *inputs: Value) -> Value:
    """Ones, or zeros, in the shape of ``x``."""
    x = only(ctx)
    return full(ctx, _LIKE[ctx.layer.class_name], str(option(ctx, "dtype") or x.dtype), x.shape)


@lowers("ops.FullLike")
def lower_full_like(ctx: Context, *inputs: Value) -> Value:
    """``fill_value`` in the shape of ``x``."""
    given, fill = arguments(ctx, "x", "fill_value")
    x = tensor(ctx, given)
    return full(ctx, fill, str(option(ctx, "dtype") or x.dtype), x.shape)


@lowers("ops.Full")
def lower_full(ctx: Context, *inputs: Value) -> Value:
    """``fill_value`` broadcast to ``shape``."""
    shape = option(ctx, "shape")
    sizes = tuple(shape) if isinstance(shape, list | tuple) else (shape,)
    return full(ctx, arguments(ctx, "fill_value")[0], str(option(ctx, "dtype") or "float32"), sizes)


@lowers("ops.Linspace", "ops.Logspace")
def lower_linspace(ctx: Context, *inputs: Value) -> Value:
    """``num`` numbers from ``start`` to ``stop`` along a new ``axis``, with ``stop`` as the last or, without ``endpoint``, the
    next: ``start + i * (stop - start) / (num - 1)``; ``Logspace``: ``base`` to their power."""
    start, stop = promoted(ctx, *arguments(ctx, "start", "stop"), also=("float",))
    if option(ctx, "retstep"):
        raise ctx.error("retstep is False. Received: True")
    wanted = str(option(ctx, "dtype") or start.dtype)
    spread, b = _spread_out(ctx, start, stop), ctx.b
    result = cast(ctx, b.op("floor", spread) if "int" in wanted else spread, wanted)
    if ctx.layer.class_name == "Linspace":
        return result
    return b.op("pow", b.scalar(option(ctx, "base", 10), result), result)


def _spread_out(ctx: Context, start: Value, stop: Value) -> Value:
    """``num`` numbers from ``start`` to ``stop`` along the operation's axis."""
    num = int(option(ctx, "num", 50))
    span = ctx.b.op("sub", stop, start)
    axis = normalized_axis(ctx, option(ctx, "axis", 0), span.rank + 1)
    parts = max(num - 1 if option(ctx, "endpoint", True) else num, 1)
    shape = [num if index == axis else 1 for index in range(span.rank + 1)]
    steps = tensor(ctx, (np.arange(num) / parts).reshape(shape), span.dtype)
    b = ctx.b
    first, whole = (b.op("expand_dims", _as_rank(ctx, v, span), axes=(axis,)) for v in (start, span))
    return b.op("add", first, b.op("mul", whole, steps))


@lowers("ops.Geomspace")
def lower_geomspace(ctx: Context, *inputs: Value) -> Value:
    """``num`` numbers from ``start`` to ``stop`` of which each is the last one times one factor: 10 to the power of ``Linspace`` of
    their logarithms to 10, with the sign of ``start`` (as it is, whatever the axis: keras/src/backend/tensorflow/numpy.py, v3.15)."""
    given, other = arguments(ctx, "start", "stop")
    dtype = str(option(ctx, "dtype") or "float32")
    start, stop = tensor(ctx, given, dtype), tensor(ctx, other, dtype)
    b = ctx.b
    logs = [b.op("mul", b.op("log", b.op("abs", v)), b.scalar(1 / math.log(10), v)) for v in (start, stop)]
    spread = _spread_out(ctx, logs[0], logs[1])
    return b.op("mul", b.op("pow", b.scalar(10.0, spread), spread), b.op("sign", start))


def _as_rank(ctx: Context, x: Value, like: Value) -> Value:
    return reshaped(ctx, x, (1,) * (like.rank - x.rank) + x.shape)


@lowers("ops.Meshgrid")
def lower_meshgrid(ctx: Context, *inputs: Value) -> list[Value]:
    """Each of the n vectors along an axis of its own in n dimensions; with ``indexing="xy"`` the first two swapped."""
    count = len(ctx.args)
    vectors = [flattened(ctx, tensor(ctx, item)) for item in ctx.args]
    axes = list(range(count))
    if option(ctx, "indexing", "xy") == "xy" and count > 1:
        axes[0], axes[1] = 1, 0
    shape = tuple(vectors[axes.index(index)].shape[0] for index in range(count))
    lying = [
        reshaped(ctx, x, tuple(x.shape[0] if index == axis else 1 for index in range(count)))
        for x, axis in zip(vectors, axes, strict=True)
    ]
    return [x if x.shape == shape else ctx.b.op("broadcast_to", x, shape=shape) for x in lying]


def _kept(ctx: Context, x: Value, mask: Array) -> Value:
    """``x`` where the mask (of its last dimensions) holds, 0 elsewhere."""
    return ctx.b.op("select", ctx.b.constant(mask, "bool", name="kept"), x, ctx.b.scalar(0, x))


@lowers("ops.Tril", "ops.Triu")
def lower_triangle(ctx: Context, *inputs: Value) -> Value:
    """0 above, or below, the diagonal ``k`` of the last two dimensions."""
    x, k = only(ctx), int(option(ctx, "k", 0))
    rows, columns = x.shape[-2:]
    lower = ctx.layer.class_name == "Tril"
    if isinstance(rows, int) and isinstance(columns, int):
        mask = (
            np.tri(rows, columns, k=k, dtype=bool) if lower else ~np.tri(rows, columns, k=k - 1, dtype=bool)
        )
        return _kept(ctx, x, mask)
    b = ctx.b
    row = b.op("expand_dims", filled(b, Filled(1, "int32", (rows,), counted=True)), axes=(1,))
    column = filled(b, Filled(1, "int32", (columns,), counted=True))
    shifted = b.op("add", row, b.scalar(k, row))
    kept = b.op("greater_equal" if lower else "less_equal", shifted, column)
    return b.op("select", kept, x, b.scalar(0, x))


@lowers("ops.Diagonal", "ops.Trace")
def lower_diagonal(ctx: Context, *inputs: Value) -> Value:
    """Elements ``(i, i + offset)`` of ``axis1`` and ``axis2``, last; their sum."""
    x = only(ctx)
    if ctx.layer.class_name == "Trace":
        x = cast(ctx, x, wide_enough(x))
    axes = option(ctx, "axis1", 0), option(ctx, "axis2", 1)
    diagonal = _diagonal(ctx, x, axes, int(option(ctx, "offset", 0)))
    if ctx.layer.class_name == "Diagonal":
        return diagonal
    return ctx.b.op("reduce_sum", diagonal, axes=(diagonal.rank - 1,))


def _diagonal(ctx: Context, x: Value, axes: tuple[Any, Any], offset: int) -> Value:
    last = moved(ctx, x, list(axes), [-2, -1])
    rows, columns = length(ctx, last, x.rank - 2), length(ctx, last, x.rank - 1)
    found = [i * columns + i + offset for i in range(rows) if 0 <= i + offset < columns]
    if not found:
        raise ctx.error(f"The diagonal {offset} has elements. Received: {last.type}")
    flat = reshaped(ctx, last, (*last.shape[:-2], rows * columns))
    return ctx.b.op(
        "gather", flat, ctx.b.constant(np.array(found, "int32"), name="diagonal"), axis=x.rank - 2
    )


@lowers("ops.Diag", "ops.Diagflat")
def lower_diag(ctx: Context, *inputs: Value) -> Value:
    """A square with ``x`` on its diagonal ``k``; of a matrix (not flattened), its diagonal."""
    x, k = only(ctx), int(option(ctx, "k", 0))
    if ctx.layer.class_name == "Diag" and x.rank == 2:
        return _diagonal(ctx, x, (0, 1), k)
    x = flattened(ctx, x) if ctx.layer.class_name == "Diagflat" else x
    if x.rank != 1:
        raise ctx.error(f"It takes one or two dimensions. Received: {x.type}")
    square = _kept(ctx, ctx.b.op("expand_dims", x, axes=(1,)), np.eye(length(ctx, x, 0), dtype=bool))
    below, right = max(-k, 0), max(k, 0)
    return square if k == 0 else ctx.b.op("pad", square, pads=((below, right), (right, below)), value=0)


@lowers("ops.Vander")
def lower_vander(ctx: Context, *inputs: Value) -> Value:
    """Columns of ``x`` to the powers N - 1 to 0, or with ``increasing`` 0 to N - 1, computed in floats."""
    x = only(ctx)
    count = int(option(ctx, "N") or length(ctx, x, 0))
    powers = np.arange(count) if option(ctx, "increasing") else np.arange(count)[::-1]
    wide, exponents = promoted(ctx, x, powers.astype("float32"), also=("float32",))
    return cast(ctx, ctx.b.op("pow", ctx.b.op("expand_dims", wide, axes=(x.rank,)), exponents), x.dtype)
