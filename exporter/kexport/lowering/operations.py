"""Elementwise operations of ``keras.ops`` and of Python's operators, which Functional models save like layers.

``x + 3.0`` on a Keras tensor is the operation ``Add`` with the arguments (x, 3.0); either may be a number.
"""

from __future__ import annotations

from typing import Any

from kexport.ir import Value, dtypes
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
    """``x1 op x2``, each a tensor or a number, broadcasting."""
    given = [*ctx.args, *(ctx.kwargs[name] for name in ("x1", "x2") if name in ctx.kwargs)]
    if len(given) != 2:
        raise ctx.error(f"It takes two arguments. Received: {len(given)}")
    dtype = _result_dtype(ctx, given)
    left, right = (_operand(ctx, item, dtype) for item in given)
    return ctx.b.op(_BINARY[ctx.layer.class_name], left, right)


def _result_dtype(ctx: Context, given: list[Any]) -> str:
    """The dtype that Keras computes in (keras/src/backend/common/dtypes.py), for the cases without lattice rules."""
    tensors = {item.dtype for item in given if isinstance(item, Value)}
    floats = [dtype for dtype in tensors if dtypes.is_float(dtype)]
    if len(floats) == 1:
        return floats[0]
    fraction = any(isinstance(item, float) for item in given) or _BINARY[ctx.layer.class_name] == "div"
    if len(tensors) > 1 or (not floats and "bool" in tensors):
        raise ctx.error(
            f"Its arguments have one dtype. Received: {sorted(tensors)}",
            hint="Cast one of them in the model.",
        )
    return "float32" if fraction else tensors.pop()


def _operand(ctx: Context, item: Any, dtype: str) -> Value:
    if isinstance(item, Value):
        return item if item.dtype == dtype else ctx.b.op("cast", item, dtype=dtype)
    if isinstance(item, bool) or not isinstance(item, int | float):
        raise ctx.error(f"Its arguments are tensors and numbers. Received: {item!r}")
    return ctx.b.constant(item, dtype, name="scalar")


@lowers(*(f"ops.{name}" for name in _UNARY))
def lower_unary(ctx: Context, x: Value) -> Value:
    """``op(x)``, element by element, on floats."""
    if not dtypes.is_float(x.dtype):
        raise ctx.error(f"It takes floats. Received: {x.type}")
    return ctx.b.op(_UNARY[ctx.layer.class_name], x)
