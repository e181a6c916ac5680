"""Arithmetic of bools and unsigned integers, and results' dtypes."""

from __future__ import annotations

from kexport.ir import Node, Value, dtypes
from kexport.passes import Rewriter
from kexport_targets.saved_model.legalize.registry import legalizes


@legalizes("abs")
def absolute(node: Node, rewriter: Rewriter) -> Value | None:
    """Nothing to do of unsigned integers."""
    return node.input(0) if node.input(0).dtype in dtypes.UNSIGNED else None


@legalizes("sign")
def sign(node: Node, rewriter: Rewriter) -> Value | None:
    """The smaller of an unsigned integer and 1."""
    x, b = node.input(0), rewriter.builder
    return b.op("minimum", x, b.scalar(1, x)) if x.dtype in dtypes.UNSIGNED else None


@legalizes("neg")
def neg(node: Node, rewriter: Rewriter) -> Value | None:
    """``0 - x`` of an unsigned integer."""
    x, b = node.input(0), rewriter.builder
    return b.op("sub", b.scalar(0, x), x) if x.dtype in dtypes.UNSIGNED else None


@legalizes("square", "squared_difference", "mul")
def square(node: Node, rewriter: Rewriter) -> Value | None:
    """Squares in a dtype that SquaredDifference has a kernel for: TensorFlow's optimizer makes one of a difference's square, or product
    with itself, in any dtype (grappler/optimizers/arithmetic_optimizer.cc, ``ReplaceMulWithSquare``, ``FuseSquaredDiffStage``)."""
    dtype, b = node.output.dtype, rewriter.builder
    if dtype not in dtypes.INTEGERS or dtype in ("int32", "int64"):
        return None
    if node.op == "mul" and node.input(0) is not node.input(1):
        return None
    wide = "int64" if dtype in ("uint32", "uint64") else "int32"
    made = b.op(node.op, *(b.op("cast", value, dtype=wide) for value in node.inputs if value is not None))
    return b.op("cast", made, dtype=dtype)


@legalizes("bitwise_and", "bitwise_or", "bitwise_xor")
def bitwise(node: Node, rewriter: Rewriter) -> Value | None:
    """Of bools they are logic."""
    if node.input(0).dtype != "bool":
        return None
    return rewriter.builder.op(f"logical_{node.op.removeprefix('bitwise_')}", *node.inputs)


@legalizes("isnan", "isinf")
def never(node: Node, rewriter: Rewriter) -> Value | None:
    """Integers are neither."""
    x = node.input(0)
    return None if dtypes.is_float(x.dtype) else rewriter.builder.op("not_equal", x, x)


@legalizes("isfinite")
def always(node: Node, rewriter: Rewriter) -> Value | None:
    """Integers are."""
    x = node.input(0)
    return None if dtypes.is_float(x.dtype) else rewriter.builder.op("equal", x, x)


@legalizes("argmax", "argmin")
def index_dtype(node: Node, rewriter: Rewriter) -> Value | None:
    """The results that ArgMax and ArgMin can both be asked for; others are cast."""
    dtype, b = node.attrs["dtype"], rewriter.builder
    if dtype in ("int32", "int64"):
        return None
    return b.op("cast", b.op(node.op, node.input(0), **{**node.attrs, "dtype": "int32"}), dtype=dtype)


@legalizes("gather")
def indices(node: Node, rewriter: Rewriter) -> Value | None:
    """GatherV2 takes signed indices of 32 and 64 bits; of 16, too, in late TensorFlows."""
    table, given, b = node.input(0), node.input(1), rewriter.builder
    if given.dtype in ("int32", "int64"):
        return None
    wide = b.op("cast", given, dtype="int64" if given.dtype in ("uint32", "uint64") else "int32")
    return b.op("gather", table, wide, **node.attrs)
