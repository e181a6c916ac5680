"""Elementwise ops, most of them by table."""

from __future__ import annotations

import math

import numpy as np

from kexport.ir import Node, dims, dtypes
from kexport_targets.coreml.emit.emitter import Emitter, emits

#: Graph op of one input → operation.
UNARY = {
    op: op
    for op in (
        *["abs", "sign", "exp", "sqrt", "floor", "ceil", "round", "sin", "cos", "tan", "asin", "acos", "atan"],
        *["sinh", "cosh", "tanh", "atanh", "erf", "sigmoid", "relu", "relu6", "softplus", "silu"],
        *["square", "logical_not", "identity"],
    )
}  # fmt: skip

#: Graph op of two inputs → operation.
BINARY = {
    **{op: op for op in ("add", "sub", "mul", "mod", "pow", "maximum", "minimum")},
    **{op: op for op in ("logical_and", "logical_or", "logical_xor")},
    **{op: op for op in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")},
    "div": "real_div",
    "floor_div": "floor_div",
}


@emits(*UNARY)
def unary(e: Emitter, node: Node) -> None:
    """The operation of the same meaning."""
    e.op(UNARY[node.op], {"x": node.input(0)}, node.output)


@emits(*BINARY)
def binary(e: Emitter, node: Node) -> None:
    """The operation of the same meaning."""
    e.op(BINARY[node.op], {"x": node.input(0), "y": node.input(1)}, node.output)


@emits("neg")
def neg(e: Emitter, node: Node) -> None:
    """A product with -1."""
    e.op("mul", {"x": node.input(0), "y": e.number(-1, node.output.dtype)}, node.output)


@emits("log", "rsqrt")
def with_epsilon(e: Emitter, node: Node) -> None:
    """What is added to x before, by default, is 0 here."""
    e.op(node.op, {"x": node.input(0), "epsilon": e.number(0.0, node.output.dtype)}, node.output)


@emits("select")
def select(e: Emitter, node: Node) -> None:
    """``select``."""
    condition, yes, no = (node.input(index) for index in range(3))
    e.op("select", {"cond": condition, "a": yes, "b": no}, node.output)


@emits("cast")
def cast(e: Emitter, node: Node) -> None:
    """``cast``, which truncates floats; anything to bool is a comparison with 0."""
    x = node.input(0)
    if node.output.dtype == "bool" and x.dtype != "bool":
        e.op("not_equal", {"x": x, "y": e.number(0, x.dtype)}, node.output)
    elif x.dtype == node.output.dtype:
        e.op("identity", {"x": x}, node.output)
    else:
        e.cast(x, node.output.dtype, node.output)


@emits("clip")
def clip(e: Emitter, node: Node) -> None:
    """``clip``; with one bound, or of integers, the larger or the smaller of x and the bound."""
    x = node.input(0)
    bounds = [float(node.attrs["min"]), float(node.attrs["max"])]
    finite = [math.isfinite(bound) for bound in bounds]
    if all(finite) and dtypes.is_float(x.dtype):
        low, high = (e.number(bound, x.dtype) for bound in bounds)
        e.op("clip", {"x": x, "alpha": low, "beta": high}, node.output)
        return
    steps = [
        (op, e.number(_whole(bound, x.dtype), x.dtype))
        for op, bound, known in zip(("maximum", "minimum"), bounds, finite, strict=True)
        if known
    ]
    made = e.tensor(x)
    for index, (op, limit) in enumerate(steps):
        last = index == len(steps) - 1
        given = {"x": made, "y": limit}
        made = e.op(op, given, node.output if last else None, dtype=x.dtype, shape=x.shape)
    if not steps:
        e.op("identity", {"x": x}, node.output)


def _whole(bound: float, dtype: str) -> float | int:
    """A bound in an integer's range."""
    if dtypes.is_float(dtype):
        return bound
    limits = np.iinfo(dtype)
    return int(min(max(bound, limits.min), limits.max))


@emits("leaky_relu", "elu")
def with_alpha(e: Emitter, node: Node) -> None:
    """``leaky_relu``, ``elu``."""
    alpha = e.number(float(node.attrs["alpha"]), node.output.dtype)
    e.op(node.op, {"x": node.input(0), "alpha": alpha}, node.output)


@emits("gelu")
def gelu(e: Emitter, node: Node) -> None:
    """``gelu``, exact or in its tanh form."""
    mode = "TANH_APPROXIMATION" if node.attrs["approximate"] else "EXACT"
    e.op("gelu", {"x": node.input(0), "mode": mode}, node.output)


def slopes_by_channel(node: Node) -> bool:
    """Whether a ``prelu`` has a constant slope a channel, its second dimension, as the operation wants it."""
    x, alpha = node.input(0), node.input(1)
    if alpha.constant is None or x.rank not in (3, 4, 5) or alpha.rank > x.rank:
        return False
    shape = (1,) * (x.rank - alpha.rank) + alpha.shape
    return shape[1] == x.shape[1] and dims.product(shape) == x.shape[1]


@emits("prelu")
def prelu(e: Emitter, node: Node) -> None:
    """``prelu``, of slopes by channel."""
    x, alpha = node.input(0), node.input(1)
    channels = int(str(x.shape[1]))
    slopes = e.weight(alpha, lambda array: array.reshape(-1), (channels,))
    e.op("prelu", {"x": x, "alpha": slopes}, node.output)


@emits("softmax")
def softmax(e: Emitter, node: Node) -> None:
    """``softmax`` over one axis."""
    e.op("softmax", {"x": node.input(0), "axis": int(node.attrs["axis"])}, node.output)
