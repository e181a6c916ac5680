"""Elementwise ops beneath a view: the same op, its operands restated."""

from __future__ import annotations

from kexport.ir import Node
from kexport.passes.views.mover import VIEW_RULES, Mover, Placed, beneath, common_view, rule
from kexport.passes.views.view import View

UNARY = (
    "abs", "neg", "sign", "exp", "expm1", "log", "log1p", "sqrt", "rsqrt", "square", "reciprocal", "floor", "ceil",
    "round", "trunc", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh",
    "erf", "sigmoid", "relu", "relu6", "softplus", "silu", "hard_swish", "logical_not", "isnan", "isinf", "isfinite",
    "clip", "elu", "leaky_relu", "gelu", "cast",
)  # fmt: skip

BROADCASTING = (
    "add", "sub", "mul", "div", "floor_div", "mod", "pow", "maximum", "minimum", "atan2", "squared_difference",
    "logical_and", "logical_or", "logical_xor", "bitwise_and", "bitwise_or", "bitwise_xor", "left_shift",
    "right_shift", "equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "prelu", "select",
)  # fmt: skip


@rule(VIEW_RULES, *UNARY, transparent=True)
def move_unary(mover: Mover, node: Node) -> list[Placed] | None:
    """``f(view(b)) == view(f(b))``."""
    placed = mover.placed(node.input(0))
    return [Placed(mover.emit(node.op, placed.base, **node.attrs), placed.view)]


@rule(VIEW_RULES, *BROADCASTING, transparent=True)
def move_broadcasting(mover: Mover, node: Node) -> list[Placed] | None:
    """``f(view(a), view(b)) == view(f(a, b))``; operands of a lower rank, or seen otherwise, are brought to that view."""
    shape = node.output.shape

    def fits(view: View) -> bool:
        return all(axis is not None or dim == 1 for axis, dim in zip(view.axes, shape, strict=True))

    operands = [node.input(index) for index in range(len(node.inputs))]
    view = common_view(mover, operands, len(shape), fits)
    if view is None:
        return None
    return [Placed(mover.emit(node.op, *(beneath(mover, v, view) for v in operands), **node.attrs), view)]
