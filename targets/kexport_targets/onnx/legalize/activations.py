"""Functions that have no operator, in the arithmetic of those that have."""

from __future__ import annotations

from kexport.ir import Node, Value, dtypes
from kexport.passes import Rewriter
from kexport.passes.rewrites import activations as spelled_out
from kexport.passes.rewrites import functions, softmax
from kexport_targets.onnx.legalize.registry import legalizes

legalizes("silu")(spelled_out.silu)
legalizes("trunc")(functions.trunc)
legalizes("expm1")(functions.expm1)
legalizes("log1p")(functions.log1p)
legalizes("atan2")(functions.atan2)


@legalizes("rsqrt")
def rsqrt(node: Node, rewriter: Rewriter) -> Value:
    """``1 / sqrt(x)``."""
    b = rewriter.builder
    return b.op("reciprocal", b.op("sqrt", node.input(0)))


@legalizes("square")
def square(node: Node, rewriter: Rewriter) -> Value:
    """``x * x``."""
    return rewriter.builder.op("mul", node.input(0), node.input(0))


@legalizes("squared_difference")
def squared_difference(node: Node, rewriter: Rewriter) -> Value:
    """``(x - y) * (x - y)``."""
    b = rewriter.builder
    difference = b.op("sub", node.input(0), node.input(1))
    return b.op("mul", difference, difference)


@legalizes("isfinite")
def isfinite(node: Node, rewriter: Rewriter) -> Value:
    """Neither NaN nor infinite; integers always are."""
    x, b = node.input(0), rewriter.builder
    if not dtypes.is_float(x.dtype):
        return b.op("equal", x, x)
    return b.op("logical_not", b.op("logical_or", b.op("isnan", x), b.op("isinf", x)))


@legalizes("isnan", "isinf")
def never(node: Node, rewriter: Rewriter) -> Value | None:
    """Integers are neither."""
    x = node.input(0)
    return None if dtypes.is_float(x.dtype) else rewriter.builder.op("not_equal", x, x)


@legalizes("softmax", "log_softmax")
def softmax_of_several(node: Node, rewriter: Rewriter) -> Value | None:
    """The operators take one axis, whichever it is."""
    return softmax.over_the_last_axis(node, rewriter) if isinstance(node.attrs["axis"], tuple) else None
