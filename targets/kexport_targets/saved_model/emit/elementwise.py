"""Elementwise ops, most of them by table."""

from __future__ import annotations

import math

from kexport.ir import Node, dtypes
from kexport_targets.saved_model.emit.emitter import DType, Emitter, emits

#: Graph op → operator; inputs and outputs are the same.
SAME = {
    "abs": "Abs",
    "neg": "Neg",
    "sign": "Sign",
    "exp": "Exp",
    "expm1": "Expm1",
    "log": "Log",
    "log1p": "Log1p",
    "sqrt": "Sqrt",
    "rsqrt": "Rsqrt",
    "square": "Square",
    "reciprocal": "Reciprocal",
    "floor": "Floor",
    "ceil": "Ceil",
    "round": "Round",
    "sin": "Sin",
    "cos": "Cos",
    "tan": "Tan",
    "asin": "Asin",
    "acos": "Acos",
    "atan": "Atan",
    "sinh": "Sinh",
    "cosh": "Cosh",
    "tanh": "Tanh",
    "asinh": "Asinh",
    "acosh": "Acosh",
    "atanh": "Atanh",
    "erf": "Erf",
    "sigmoid": "Sigmoid",
    "relu": "Relu",
    "relu6": "Relu6",
    "softplus": "Softplus",
    "identity": "Identity",
    "add": "AddV2",
    "sub": "Sub",
    "mul": "Mul",
    "floor_div": "FloorDiv",
    "mod": "FloorMod",
    "pow": "Pow",
    "maximum": "Maximum",
    "minimum": "Minimum",
    "atan2": "Atan2",
    "squared_difference": "SquaredDifference",
    "logical_not": "LogicalNot",
    "logical_and": "LogicalAnd",
    "logical_or": "LogicalOr",
    "bitwise_and": "BitwiseAnd",
    "bitwise_or": "BitwiseOr",
    "bitwise_xor": "BitwiseXor",
    "left_shift": "LeftShift",
    "right_shift": "RightShift",
    "equal": "Equal",
    "not_equal": "NotEqual",
    "logical_xor": "NotEqual",
    "less": "Less",
    "less_equal": "LessEqual",
    "greater": "Greater",
    "greater_equal": "GreaterEqual",
    "isnan": "IsNan",
    "isinf": "IsInf",
    "isfinite": "IsFinite",
    "select": "SelectV2",
    "softmax": "Softmax",
    "log_softmax": "LogSoftmax",
}


@emits(*SAME)
def same(e: Emitter, node: Node) -> None:
    """The operator of the same meaning; Round goes to the even neighbour of a half, as the graph's does."""
    e.op(SAME[node.op], [node.input(index) for index in range(len(node.inputs))], node.output)


@emits("div")
def div(e: Emitter, node: Node) -> None:
    """RealDiv, of integers TruncateDiv."""
    operator = "RealDiv" if dtypes.is_float(node.output.dtype) else "TruncateDiv"
    e.op(operator, [node.input(0), node.input(1)], node.output)


@emits("elu")
def elu(e: Emitter, node: Node) -> None:
    """Elu, whose alpha is 1 (legalization leaves no other)."""
    e.op("Elu", [node.input(0)], node.output)


@emits("leaky_relu")
def leaky_relu(e: Emitter, node: Node) -> None:
    """LeakyRelu."""
    e.op("LeakyRelu", [node.input(0)], node.output, alpha=float(node.attrs["alpha"]))


@emits("clip")
def clip(e: Emitter, node: Node) -> None:
    """Maximum and Minimum, an infinite bound left out; Relu and Relu6 where they are that."""
    x = node.input(0)
    low, high = float(node.attrs["min"]), float(node.attrs["max"])
    if low == 0 and high in (6, math.inf):
        e.op("Relu6" if high == 6 else "Relu", [x], node.output)
        return
    result = e.name(x)
    for operator, bound in (("Maximum", low), ("Minimum", high)):
        if not math.isinf(bound):
            result = e.op(operator, [result, e.scalar(_within(bound, x.dtype), x.dtype)])
    e.op("Identity", [result], node.output)


def _within(bound: float, dtype: str) -> float | int:
    """A bound as a number of the dtype."""
    if dtypes.is_float(dtype):
        return bound
    import numpy as np

    limits = np.iinfo(dtype)
    return min(max(int(bound), int(limits.min)), int(limits.max))


@emits("cast")
def cast(e: Emitter, node: Node) -> None:
    """Cast, which truncates floats toward zero."""
    e.op("Cast", [node.input(0)], node.output, DstT=DType(node.output.dtype))


@emits("bitcast")
def bitcast(e: Emitter, node: Node) -> None:
    """Bitcast."""
    e.op("Bitcast", [node.input(0)], node.output, type=DType(node.output.dtype))
