"""Elementwise operations."""

from __future__ import annotations

from kexport.ir import Value, dtypes
from kexport.lowering.operations.operands import arguments, promoted
from kexport.lowering.registry import Context, lowers

_BINARY = {
    "Add": "add",
    "Divide": "div",
    "Maximum": "maximum",
    "Minimum": "minimum",
    "Multiply": "mul",
    "Power": "pow",
    "Subtract": "sub",
    "TrueDivide": "div",
}

_UNARY = {
    "Abs": "abs",
    "Absolute": "abs",
    "Ceil": "ceil",
    "Cos": "cos",
    "Exp": "exp",
    "Expm1": "expm1",
    "Floor": "floor",
    "Log": "log",
    "Log1p": "log1p",
    "Negative": "neg",
    "Relu": "relu",
    "Relu6": "relu6",
    "Rsqrt": "rsqrt",
    "Sigmoid": "sigmoid",
    "Sign": "sign",
    "Sin": "sin",
    "Softplus": "softplus",
    "Sqrt": "sqrt",
    "Square": "square",
    "Tan": "tan",
    "Tanh": "tanh",
}


@lowers(*(f"ops.{name}" for name in _BINARY))
def lower_binary(ctx: Context, *inputs: Value) -> Value:
    """``x1 op x2``, each a tensor, an array or a number, broadcasting, in the dtype that both are promoted to."""
    name = ctx.layer.class_name
    divides = ("float",) if _BINARY[name] == "div" else ()
    left, right = promoted(ctx, *arguments(ctx, "x1", "x2"), also=divides)
    return ctx.b.op(_BINARY[name], left, right)


@lowers(*(f"ops.{name}" for name in _UNARY))
def lower_unary(ctx: Context, x: Value) -> Value:
    """``op(x)``, element by element, on floats."""
    if not dtypes.is_float(x.dtype):
        raise ctx.error(f"It takes floats. Received: {x.type}")
    return ctx.b.op(_UNARY[ctx.layer.class_name], x)
