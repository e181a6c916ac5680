"""Integer arithmetic, logic on bools, and reductions that have no operator."""

from __future__ import annotations

import numpy as np

from kexport.ir import Node, Value, dtypes
from kexport.passes import Rewriter
from kexport_targets.onnx.legalize.registry import legalizes


@legalizes("floor_div")
def floor_div(node: Node, rewriter: Rewriter) -> Value:
    """``floor(a / b)``; of integers ``(a - a mod b) / b``, where nothing is rounded."""
    a, divisor, b = node.input(0), node.input(1), rewriter.builder
    if dtypes.is_float(a.dtype):
        return b.op("floor", b.op("div", a, divisor))
    return b.op("div", b.op("sub", a, b.op("mod", a, divisor)), divisor)


#: The dtypes of BitShift.
BIT_SHIFTED = ("uint8", "uint32", "uint64")


@legalizes("left_shift", "right_shift")
def shift(node: Node, rewriter: Rewriter) -> Value | None:
    """Products with powers of two, and floored quotients: BitShift has no signed integers."""
    x, count, b = node.input(0), node.input(1), rewriter.builder
    if x.dtype in BIT_SHIFTED:
        return None
    # Powers of two are exact in float64.
    exponent = b.op("cast", count, dtype="float64")
    power = b.op("cast", b.op("pow", b.scalar(2.0, exponent), exponent), dtype=x.dtype)
    return b.op("mul" if node.op == "left_shift" else "floor_div", x, power)


@legalizes("bitwise_and", "bitwise_or", "bitwise_xor")
def bitwise(node: Node, rewriter: Rewriter) -> Value | None:
    """Of bools they are logic."""
    if node.input(0).dtype != "bool":
        return None
    return rewriter.builder.op(f"logical_{node.op.removeprefix('bitwise_')}", *node.inputs)


@legalizes("reduce_any", "reduce_all")
def logic_reduction(node: Node, rewriter: Rewriter) -> Value:
    """The largest or the smallest of 0 and 1."""
    b = rewriter.builder
    op = "reduce_max" if node.op == "reduce_any" else "reduce_min"
    made = b.op(op, b.op("cast", node.input(0), dtype="int32"), **node.attrs)
    return b.op("cast", made, dtype="bool")


@legalizes("one_hot")
def one_hot(node: Node, rewriter: Rewriter) -> Value:
    """A comparison with 0, 1, 2, …: the operator counts negative indices from the end."""
    indices, b = node.input(0), rewriter.builder
    wide = indices if indices.dtype in ("int32", "int64") else b.op("cast", indices, dtype="int64")
    column = b.op("expand_dims", wide, axes=(wide.rank,))
    found = b.op("equal", column, b.constant(np.arange(node.attrs["depth"]), wide.dtype, name="classes"))
    return b.op("cast", found, dtype=node.attrs["dtype"])


@legalizes("select")
def select_bools(node: Node, rewriter: Rewriter) -> Value | None:
    """Where has no kernel for bools: ``(c and a) or (not c and b)``."""
    condition, yes, no = (node.input(index) for index in range(3))
    if yes.dtype != "bool":
        return None
    b = rewriter.builder
    kept = b.op("logical_and", condition, yes)
    return b.op("logical_or", kept, b.op("logical_and", b.op("logical_not", condition), no))


@legalizes("neg", "sign", "abs")
def unsigned(node: Node, rewriter: Rewriter) -> Value | None:
    """Of bools and unsigned integers: in a signed dtype."""
    x, b = node.input(0), rewriter.builder
    if x.dtype == "bool" or (node.op == "neg" and x.dtype.startswith("uint")):
        made = b.op(node.op, b.op("cast", x, dtype="int64"))
        return b.op("cast", made, dtype=x.dtype)
    return None
