"""Comparisons and logic: bool tensors, broadcasting."""

from __future__ import annotations

from kexport.ir import Value
from kexport.lowering.operations.operands import arguments, cast, option, promoted, reduced_axes, tensor
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
    return ctx.b.op(
        _TESTS[ctx.layer.class_name], x, axes=axes, keepdims=bool(option(ctx, "keepdims", default=False))
    )
