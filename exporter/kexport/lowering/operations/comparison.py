"""Comparisons and logic: bool tensors, broadcasting."""

from __future__ import annotations

from kexport.ir import Value
from kexport.lowering.operations.indexing import take_along
from kexport.lowering.operations.operands import (
    arguments,
    cast,
    flag,
    flattened,
    option,
    promoted,
    reduced_axes,
    tensor,
)
from kexport.lowering.registry import Context, lowers

_COMPARISONS = {
    "Equal": "equal",
    "Greater": "greater",
    "GreaterEqual": "greater_equal",
    "Less": "less",
    "LessEqual": "less_equal",
    "NotEqual": "not_equal",
}

_LOGIC = {"LogicalAnd": "logical_and", "LogicalOr": "logical_or", "LogicalXor": "logical_xor"}

_TESTS = {"All": "reduce_all", "Any": "reduce_any"}


@lowers(*(f"ops.{name}" for name in _COMPARISONS))
def lower_comparison(ctx: Context, *inputs: Value) -> Value:
    """``x1 op x2`` in the dtype that both are promoted to; bools compare as 0 and 1."""
    left, right = promoted(ctx, *arguments(ctx, "x1", "x2"))
    if left.dtype == "bool":
        left, right = cast(ctx, left, "int32"), cast(ctx, right, "int32")
    return ctx.b.op(_COMPARISONS[ctx.layer.class_name], left, right)


@lowers(*(f"ops.{name}" for name in _LOGIC))
def lower_logic(ctx: Context, *inputs: Value) -> Value:
    """``x1 op x2``, where numbers hold that are not 0."""
    left, right = (tensor(ctx, item, "bool") for item in arguments(ctx, "x1", "x2"))
    return ctx.b.op(_LOGIC[ctx.layer.class_name], left, right)


@lowers("ops.LogicalNot")
def lower_not(ctx: Context, *inputs: Value) -> Value:
    """``x == 0``."""
    return ctx.b.op("logical_not", tensor(ctx, arguments(ctx, "x")[0], "bool"))


@lowers(*(f"ops.{name}" for name in _TESTS))
def lower_test(ctx: Context, *inputs: Value) -> Value:
    """Whether any, or all, of the elements over ``axis`` are not 0."""
    x = tensor(ctx, arguments(ctx, "x")[0], "bool")
    axes = reduced_axes(ctx, option(ctx, "axis"), x.rank)
    return ctx.b.op(_TESTS[ctx.layer.class_name], x, axes=axes, keepdims=flag(ctx, "keepdims"))


@lowers("ops.IsIn")
def lower_is_in(ctx: Context, *inputs: Value) -> Value:
    """Whether each element of x1 is among x2; with ``invert`` whether it is not."""
    left, right = promoted(ctx, *arguments(ctx, "x1", "x2"))
    each = ctx.b.op("expand_dims", left, axes=(left.rank,))
    found = ctx.b.op("reduce_any", ctx.b.op("equal", each, flattened(ctx, right)), axes=(left.rank,))
    return ctx.b.op("logical_not", found) if flag(ctx, "invert") else found


@lowers("ops.InTopK")
def lower_in_top_k(ctx: Context, *inputs: Value) -> Value:
    """Whether fewer than k predictions are above the target's."""
    targets, predictions = arguments(ctx, "targets", "predictions")
    table = tensor(ctx, predictions)
    column = ctx.b.op("expand_dims", cast(ctx, tensor(ctx, targets), "int32"), axes=(1,))
    above = ctx.b.op("greater", table, take_along(ctx, table, column, 1))
    count = ctx.b.op("reduce_sum", cast(ctx, above, "int32"), axes=(1,))
    return ctx.b.op("less", count, ctx.b.scalar(int(option(ctx, "k")), count))
