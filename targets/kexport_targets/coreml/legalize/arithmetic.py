"""Integer arithmetic, bits, and reductions that have no operation."""

from __future__ import annotations

from typing import Final

import numpy as np

from kexport.errors import UnsupportedOpError
from kexport.ir import Builder, Node, Value, dims, dtypes
from kexport.passes import Rewriter
from kexport_targets.coreml.legalize.registry import legalizes


@legalizes("floor_div")
def floor_div(node: Node, rewriter: Rewriter) -> Value | None:
    """``floor(a / b)`` of floats."""
    a, divisor, b = node.input(0), node.input(1), rewriter.builder
    return b.op("floor", b.op("div", a, divisor)) if dtypes.is_float(a.dtype) else None


@legalizes("div")
def truncated(node: Node, rewriter: Rewriter) -> Value | None:
    """Of integers, the floor of the quotient of what has no sign, and the sign."""
    a, divisor, b = node.input(0), node.input(1), rewriter.builder
    if dtypes.is_float(a.dtype):
        return None
    quotient = b.op("floor_div", b.op("abs", a), b.op("abs", divisor))
    return b.op("mul", quotient, b.op("mul", b.op("sign", a), b.op("sign", divisor)))


@legalizes("logical_and", "logical_or", "logical_xor", "bitwise_and", "bitwise_or", "bitwise_xor")
def bitwise(node: Node, rewriter: Rewriter) -> Value | None:
    """Of bools, logic. Of integers, on their 31 lower bits side by side and the sign: ``floor(x / 2^k) mod 2`` is bit k of the two's
    complement of a negative number, too."""
    x, y, b = node.input(0), node.input(1), rewriter.builder
    if node.op.startswith("logical"):
        return None
    logic = f"logical_{node.op.removeprefix('bitwise_')}"
    if x.dtype == "bool":
        return b.op(logic, x, y)
    shape = node.output.shape
    bits = b.op(logic, *(_bits(b, _spread(b, value, shape)) for value in (x, y)))
    powers = b.constant(_POWERS[:31], "int32", name="powers")
    low = b.op("reduce_sum", b.op("mul", b.op("cast", bits, dtype="int32"), powers), axes=(1,))
    flat = b.op("reshape", low, shape=shape)
    zero = b.scalar(0, x)
    negative = b.op(logic, b.op("less", x, zero), b.op("less", y, zero))
    sign = b.op("mul", b.op("cast", negative, dtype="int32"), b.scalar(-(2**31), flat))
    return b.op("add", flat, sign)


#: 2^0 to 2^30.
_POWERS: Final = np.left_shift(np.int32(1), np.arange(31, dtype=np.int32))


def _spread(b: Builder, value: Value, shape: dims.Shape) -> Value:
    return value if value.shape == shape else b.op("broadcast_to", value, shape=shape)


def _bits(b: Builder, x: Value) -> Value:
    """Bits 0 to 30 of each element: bool (elements, 31)."""
    column = b.op("reshape", x, shape=(dims.product(x.shape), 1))
    shifted = b.op("floor_div", column, b.constant(_POWERS, "int32", name="powers"))
    return b.op("equal", b.op("mod", shifted, b.scalar(2, x)), b.scalar(1, x))


@legalizes("left_shift", "right_shift")
def shift(node: Node, rewriter: Rewriter) -> Value:
    """Products with powers of two, and floors of quotients, in two steps of up to 2^30 each."""
    x, count, b = node.input(0), node.input(1), rewriter.builder
    powers = b.constant(_POWERS, "int32", name="powers")
    half = b.op("floor_div", count, b.scalar(2, count))
    for part in (half, b.op("sub", count, half)):
        power = b.op("gather", powers, part)
        x = b.op("mul" if node.op == "left_shift" else "floor_div", x, power)
    return x


@legalizes("reduce_any", "reduce_all")
def logic_reduction(node: Node, rewriter: Rewriter) -> Value:
    """The largest or the smallest of 0 and 1."""
    b = rewriter.builder
    op = "reduce_max" if node.op == "reduce_any" else "reduce_min"
    made = b.op(op, b.op("cast", node.input(0), dtype="int32"), **node.attrs)
    return b.op("cast", made, dtype="bool")


@legalizes("one_hot")
def one_hot(node: Node, rewriter: Rewriter) -> Value:
    """A comparison with 0, 1, 2, …: the operation counts negative indices from the end."""
    indices, b = node.input(0), rewriter.builder
    column = b.op("expand_dims", indices, axes=(indices.rank,))
    found = b.op("equal", column, b.constant(np.arange(node.attrs["depth"]), "int32", name="classes"))
    return b.op("cast", found, dtype=node.attrs["dtype"])


@legalizes("bitcast")
def bitcast(node: Node, rewriter: Rewriter) -> Value | None:
    """Bits can't be had of a float."""
    if node.input(0).dtype == node.output.dtype:
        return rewriter.builder.op("identity", node.input(0))
    raise UnsupportedOpError(
        f"Layer {node.origin!r}: Core ML has no operation that takes the bits of {node.input(0).dtype} for {node.output.dtype}.",
        hint="Leave it out of the model, or export to TF Lite.",
    )
