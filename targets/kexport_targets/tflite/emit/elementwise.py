"""Elementwise ops, by table."""

from __future__ import annotations

import math
from collections.abc import Callable

from kexport.ir import Node, Value
from kexport_targets.tflite import schema
from kexport_targets.tflite.emit.emitter import Emitter, emits
from kexport_targets.tflite.emit.lengths import scalar
from kexport_targets.tflite.versions import version_of

#: graph op → (builtin, options table)
UNARY: dict[str, tuple[str, str | None]] = {
    "abs": ("ABS", "AbsOptions"),
    "neg": ("NEG", "NegOptions"),
    "sign": ("SIGN", "SignOptions"),
    "exp": ("EXP", "ExpOptions"),
    "log": ("LOG", None),
    "sqrt": ("SQRT", None),
    "rsqrt": ("RSQRT", None),
    "square": ("SQUARE", "SquareOptions"),
    "floor": ("FLOOR", None),
    "ceil": ("CEIL", None),
    "round": ("ROUND", None),
    "sin": ("SIN", None),
    "cos": ("COS", "CosOptions"),
    "tanh": ("TANH", None),
    "sigmoid": ("LOGISTIC", None),
    "relu": ("RELU", None),
    "relu6": ("RELU6", None),
    "hard_swish": ("HARD_SWISH", "HardSwishOptions"),
    "logical_not": ("LOGICAL_NOT", "LogicalNotOptions"),
}

BINARY: dict[str, tuple[str, str | None]] = {
    "pow": ("POW", "PowOptions"),
    "floor_div": ("FLOOR_DIV", "FloorDivOptions"),
    "mod": ("FLOOR_MOD", "FloorModOptions"),
    "maximum": ("MAXIMUM", "MaximumMinimumOptions"),
    "minimum": ("MINIMUM", "MaximumMinimumOptions"),
    "atan2": ("ATAN2", "ATan2Options"),
    "squared_difference": ("SQUARED_DIFFERENCE", "SquaredDifferenceOptions"),
    "logical_and": ("LOGICAL_AND", "LogicalAndOptions"),
    "logical_or": ("LOGICAL_OR", "LogicalOrOptions"),
    "bitwise_xor": ("BITWISE_XOR", "BitwiseXorOptions"),
    "right_shift": ("RIGHT_SHIFT", "RightShiftOptions"),
    "equal": ("EQUAL", "EqualOptions"),
    "not_equal": ("NOT_EQUAL", "NotEqualOptions"),
    "less": ("LESS", "LessOptions"),
    "less_equal": ("LESS_EQUAL", "LessEqualOptions"),
    "greater": ("GREATER", "GreaterOptions"),
    "greater_equal": ("GREATER_EQUAL", "GreaterEqualOptions"),
    "prelu": ("PRELU", None),
}

#: Those that carry a fused activation.
ARITHMETIC: dict[str, tuple[str, str]] = {
    "add": ("ADD", "AddOptions"),
    "sub": ("SUB", "SubOptions"),
    "mul": ("MUL", "MulOptions"),
    "div": ("DIV", "DivOptions"),
}


def _plain(builtin: str, options: str | None) -> Callable[[Emitter, Node], None]:
    def rule(e: Emitter, node: Node) -> None:
        e.op(builtin, node.inputs, node.outputs, options, version=version_of(builtin, node))

    return rule


def _arithmetic(builtin: str, options: str) -> Callable[[Emitter, Node], None]:
    def rule(e: Emitter, node: Node) -> None:
        activation = schema.ACTIVATIONS[node.attrs["activation"]]
        version = version_of(builtin, node)
        e.op(builtin, node.inputs, node.outputs, options, version=version, activation=activation)

    return rule


for _op, (_builtin, _options) in {**UNARY, **BINARY}.items():
    emits(_op)(_plain(_builtin, _options))
for _op, (_builtin, _table) in ARITHMETIC.items():
    emits(_op)(_arithmetic(_builtin, _table))


@emits("leaky_relu")
def leaky_relu(e: Emitter, node: Node) -> None:
    """LEAKY_RELU."""
    e.op("LEAKY_RELU", node.inputs, node.outputs, "LeakyReluOptions", alpha=float(node.attrs["alpha"]))


@emits("elu")
def elu(e: Emitter, node: Node) -> None:
    """ELU, whose alpha is 1."""
    e.op("ELU", node.inputs, node.outputs)


@emits("gelu")
def gelu(e: Emitter, node: Node) -> None:
    """GELU."""
    e.op("GELU", node.inputs, node.outputs, "GeluOptions", approximate=bool(node.attrs["approximate"]))


@emits("cast")
def cast(e: Emitter, node: Node) -> None:
    """CAST."""
    types = schema.TENSOR_TYPES
    e.op(
        "CAST",
        node.inputs,
        node.outputs,
        "CastOptions",
        version=version_of("CAST", node),
        in_data_type=types[node.input(0).dtype],
        out_data_type=types[node.output.dtype],
    )


@emits("bitcast")
def bitcast(e: Emitter, node: Node) -> None:
    """BITCAST."""
    e.op("BITCAST", node.inputs, node.outputs, "BitcastOptions")


@emits("select")
def select(e: Emitter, node: Node) -> None:
    """SELECT_V2."""
    e.op("SELECT_V2", node.inputs, node.outputs, "SelectV2Options", version=version_of("SELECT_V2", node))


@emits("softmax")
def softmax(e: Emitter, node: Node) -> None:
    """SOFTMAX, over the last axis."""
    e.op("SOFTMAX", node.inputs, node.outputs, "SoftmaxOptions", beta=1.0)


@emits("log_softmax")
def log_softmax(e: Emitter, node: Node) -> None:
    """LOG_SOFTMAX, over the last axis."""
    e.op("LOG_SOFTMAX", node.inputs, node.outputs, "LogSoftmaxOptions")


@emits("clip")
def clip(e: Emitter, node: Node) -> None:
    """MAXIMUM with the lower bound, then MINIMUM with the upper one, as far as there are any."""
    x, low, high = node.input(0), float(node.attrs["min"]), float(node.attrs["max"])
    bounds = [(name, bound) for name, bound in (("MAXIMUM", low), ("MINIMUM", high)) if not math.isinf(bound)]
    value: Value | int = x
    for index, (builtin, bound) in enumerate(bounds):
        last = index == len(bounds) - 1
        result: Value | int = node.output if last else e.scratch("clip", x.type)
        limit = scalar(e, bound, x.dtype, builtin.lower())
        e.op(builtin, [value, limit], [result], "MaximumMinimumOptions", version=version_of(builtin, node))
        value = result
