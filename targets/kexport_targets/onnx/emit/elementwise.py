"""Elementwise ops, most of them by table."""

from __future__ import annotations

import math

from kexport.ir import Node, dtypes
from kexport_targets.onnx import schema
from kexport_targets.onnx.emit.emitter import Emitter, emits

#: Graph op → operator; inputs and outputs are the same.
SAME = {
    "abs": "Abs",
    "neg": "Neg",
    "sign": "Sign",
    "exp": "Exp",
    "log": "Log",
    "sqrt": "Sqrt",
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
    "softplus": "Softplus",
    "logical_not": "Not",
    "identity": "Identity",
    "isnan": "IsNaN",
    "isinf": "IsInf",
    "add": "Add",
    "sub": "Sub",
    "mul": "Mul",
    "div": "Div",
    "pow": "Pow",
    "maximum": "Max",
    "minimum": "Min",
    "logical_and": "And",
    "logical_or": "Or",
    "logical_xor": "Xor",
    "less": "Less",
    "less_equal": "LessOrEqual",
    "greater": "Greater",
    "greater_equal": "GreaterOrEqual",
    "select": "Where",
    "prelu": "PRelu",
}

BITWISE = {"bitwise_and": "BitwiseAnd", "bitwise_or": "BitwiseOr", "bitwise_xor": "BitwiseXor"}

#: Ops that no rewrite makes others of, and the first operator set that has them.
#: The operator set in which text can be compared.
EQUAL_TEXT = 19

SINCE = {**dict.fromkeys(BITWISE, 18), "bitcast": 26}


@emits(*SAME)
def same(e: Emitter, node: Node) -> None:
    """The operator of the same meaning."""
    e.op(SAME[node.op], node.inputs, node.outputs)


@emits(*BITWISE)
def bitwise(e: Emitter, node: Node) -> None:
    """Bitwise operators, since opset 18."""
    e.require(SINCE[node.op], "bitwise arithmetic")
    e.op(BITWISE[node.op], node.inputs, node.outputs)


@emits("left_shift", "right_shift")
def shift(e: Emitter, node: Node) -> None:
    """BitShift, of the unsigned integers that legalization leaves."""
    e.op("BitShift", node.inputs, node.outputs, direction="LEFT" if node.op == "left_shift" else "RIGHT")


@emits("equal", "not_equal")
def equal(e: Emitter, node: Node) -> None:
    """Equal, or Not of it."""
    if node.input(0).dtype == "string":
        e.require(EQUAL_TEXT, "comparing text")
    if node.op == "equal":
        e.op("Equal", node.inputs, node.outputs)
    else:
        e.op("Not", [e.op("Equal", node.inputs)], node.outputs)


@emits("clip")
def clip(e: Emitter, node: Node) -> None:
    """Clip; an infinite bound is left out."""
    x = node.input(0)
    bounds = [
        None if math.isinf(bound) else e.scalar(bound, x.dtype)
        for bound in (float(node.attrs["min"]), float(node.attrs["max"]))
    ]
    e.op("Clip", [x, *bounds], node.outputs)


@emits("relu6")
def relu6(e: Emitter, node: Node) -> None:
    """Clip to 0..6."""
    x = node.input(0)
    e.op("Clip", [x, e.scalar(0, x.dtype), e.scalar(6, x.dtype)], node.outputs)


@emits("leaky_relu")
def leaky_relu(e: Emitter, node: Node) -> None:
    """LeakyRelu."""
    e.op("LeakyRelu", node.inputs, node.outputs, alpha=float(node.attrs["alpha"]))


@emits("elu")
def elu(e: Emitter, node: Node) -> None:
    """Elu."""
    e.op("Elu", node.inputs, node.outputs, alpha=float(node.attrs["alpha"]))


@emits("gelu")
def gelu(e: Emitter, node: Node) -> None:
    """Gelu, since opset 20. Before, ``x * (erf(x / sqrt(2)) + 1) * 0.5`` just as ONNX Runtime knows it and makes one kernel of it
    (core/optimizer/gelu_fusion.cc, 1.17); the approximation is spelled out by legalization there."""
    x = node.input(0)
    if e.opset >= 20:
        e.op("Gelu", [x], node.outputs, approximate="tanh" if node.attrs["approximate"] else "none")
        return
    error = e.op("Erf", [e.op("Div", [x, e.scalar(math.sqrt(2), x.dtype)])])
    weighted = e.op("Mul", [x, e.op("Add", [error, e.scalar(1.0, x.dtype)])])
    e.op("Mul", [weighted, e.scalar(0.5, x.dtype)], node.outputs)


@emits("hard_swish")
def hard_swish(e: Emitter, node: Node) -> None:
    """HardSwish (legalization leaves it where the opset has it)."""
    e.op("HardSwish", node.inputs, node.outputs)


@emits("softmax", "log_softmax")
def softmax(e: Emitter, node: Node) -> None:
    """Softmax, LogSoftmax over one axis."""
    e.op(
        "Softmax" if node.op == "softmax" else "LogSoftmax",
        node.inputs,
        node.outputs,
        axis=node.attrs["axis"],
    )


@emits("cast")
def cast(e: Emitter, node: Node) -> None:
    """Cast, which truncates floats toward zero."""
    e.op("Cast", node.inputs, node.outputs, to=schema.TENSOR_TYPES[node.output.dtype])


@emits("bitcast")
def bitcast(e: Emitter, node: Node) -> None:
    """BitCast, since opset 26."""
    e.require(SINCE[node.op], "reading bits as another dtype")
    e.op("BitCast", node.inputs, node.outputs, to=schema.TENSOR_TYPES[node.output.dtype])


@emits("mod")
def mod(e: Emitter, node: Node) -> None:
    """Mod of integers has the divisor's sign, as the graph's has; of floats the dividend's: where they differ, a divisor more."""
    a, divisor = node.input(0), node.input(1)
    if not dtypes.is_float(a.dtype):
        e.op("Mod", [a, divisor], node.outputs)
        return
    rest, zero = e.op("Mod", [a, divisor], fmod=1), e.scalar(0.0, a.dtype)
    other = e.op("Xor", [e.op("Less", [rest, zero]), e.op("Less", [divisor, zero])])
    wrong = e.op("And", [other, e.op("Not", [e.op("Equal", [rest, zero])])])
    e.op("Where", [wrong, e.op("Add", [rest, divisor]), rest], node.outputs)
