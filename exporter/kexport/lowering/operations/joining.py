"""Tensors put together and taken apart along an axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from kexport.ir import Value
from kexport.lowering.arguments import normalized_axis
from kexport.lowering.operations.operands import (
    arguments,
    flattened,
    length,
    only,
    option,
    promoted,
    reshaped,
)
from kexport.lowering.registry import Context, lowers


def _joined(ctx: Context, values: list[Value], axis: int) -> Value:
    return values[0] if len(values) == 1 else ctx.b.op("concat", *values, axis=axis)


@lowers("ops.Concatenate")
def lower_concatenate(ctx: Context, *inputs: Value) -> Value:
    """The tensors one after the other along ``axis``, in the dtype that all are promoted to."""
    values = promoted(ctx, *arguments(ctx, "xs")[0])
    return _joined(ctx, values, normalized_axis(ctx, option(ctx, "axis", 0), values[0].rank))


@lowers("ops.Stack")
def lower_stack(ctx: Context, *inputs: Value) -> Value:
    """The tensors along a new ``axis`` of the result."""
    values = promoted(ctx, *arguments(ctx, "x")[0])
    axis = normalized_axis(ctx, option(ctx, "axis", 0), values[0].rank + 1)
    return _joined(ctx, [ctx.b.op("expand_dims", value, axes=(axis,)) for value in values], axis)


@lowers("ops.Hstack", "ops.Vstack", "ops.Dstack")
def lower_stacks(ctx: Context, *inputs: Value) -> Value:
    """Along axis 1 (0 in one dimension), 0 and 2; for ``Dstack`` n becomes (1, n, 1) and (n, m) becomes (n, m, 1) before."""
    values = promoted(ctx, *arguments(ctx, "xs")[0])
    if ctx.layer.class_name == "Dstack":
        shapes = [((1, *v.shape) if v.rank < 2 else v.shape) + (1,) * (v.rank < 3) for v in values]
        return _joined(ctx, [reshaped(ctx, v, shape) for v, shape in zip(values, shapes, strict=True)], 2)
    return _joined(ctx, values, 1 if ctx.layer.class_name == "Hstack" and values[0].rank > 1 else 0)


@lowers("ops.Append")
def lower_append(ctx: Context, *inputs: Value) -> Value:
    """``x2`` after ``x1`` along ``axis``; both flattened for None."""
    values, axis = promoted(ctx, *arguments(ctx, "x1", "x2")), option(ctx, "axis")
    if axis is None:
        return _joined(ctx, [flattened(ctx, value) for value in values], 0)
    return _joined(ctx, values, normalized_axis(ctx, axis, values[0].rank))


_AXES = {"Dsplit": 2, "Hsplit": 1, "Vsplit": 0}


@lowers("ops.Split", "ops.Hsplit", "ops.Vsplit", "ops.Dsplit", "ops.ArraySplit")
def lower_split(ctx: Context, *inputs: Value) -> list[Value]:
    """``x`` cut along ``axis`` into equal parts, or at the indices given; ``ArraySplit`` makes the first parts one longer."""
    x, name = only(ctx), ctx.layer.class_name
    axis = (
        min(_AXES[name], x.rank - 1)
        if name in _AXES
        else normalized_axis(ctx, option(ctx, "axis", 0), x.rank)
    )
    return _cut(ctx, x, axis, option(ctx, "indices_or_sections"))


def _cut(ctx: Context, x: Value, axis: int, wanted: Any) -> list[Value]:
    total = length(ctx, x, axis)
    if isinstance(wanted, list | tuple):
        sizes = np.diff([0, *(int(index) + total * (index < 0) for index in wanted), total]).tolist()
    elif total % wanted and ctx.layer.class_name != "ArraySplit":
        raise ctx.error(f"{total} elements are not cut into {wanted} equal parts")
    else:
        sizes = [total // wanted + (part < total % wanted) for part in range(wanted)]
    if min(sizes) < 1:
        raise ctx.error(f"Every part has an element at least. Received: {sizes}")
    return [x] if len(sizes) == 1 else ctx.b.ops("split", x, axis=axis, sizes=tuple(sizes))


@lowers("ops.Unstack")
def lower_unstack(ctx: Context, *inputs: Value) -> list[Value]:
    """A tensor for each index of ``axis``."""
    x = only(ctx)
    axis = normalized_axis(ctx, option(ctx, "axis", 0), x.rank)
    return [ctx.b.op("squeeze", part, axes=(axis,)) for part in _cut(ctx, x, axis, length(ctx, x, axis))]
