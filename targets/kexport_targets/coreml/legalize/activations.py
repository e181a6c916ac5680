"""Functions that have no operation, in the arithmetic of those that have."""

from __future__ import annotations

import math

from kexport.ir import Node, Value, dtypes
from kexport.passes import Rewriter
from kexport.passes.rewrites import activations as spelled_out
from kexport.passes.rewrites import attention, functions, normalization, softmax
from kexport_targets.coreml.emit.elementwise import slopes_by_channel
from kexport_targets.coreml.legalize.registry import legalizes

legalizes("hard_swish")(spelled_out.hard_swish)
legalizes("trunc")(functions.trunc)
legalizes("expm1")(functions.expm1)
legalizes("log1p")(functions.log1p)
legalizes("atan2")(functions.atan2)
legalizes("asinh")(functions.asinh)
legalizes("acosh")(functions.acosh)
legalizes("rms_norm")(normalization.rms_norm)
legalizes("attention")(attention.attention)


@legalizes("reciprocal")
def reciprocal(node: Node, rewriter: Rewriter) -> Value:
    """``1 / x``: ``inverse`` adds something to x first."""
    x, b = node.input(0), rewriter.builder
    return b.op("div", b.scalar(1.0, x), x)


@legalizes("squared_difference")
def squared_difference(node: Node, rewriter: Rewriter) -> Value:
    """``(x - y) * (x - y)``."""
    b = rewriter.builder
    difference = b.op("sub", node.input(0), node.input(1))
    return b.op("mul", difference, difference)


@legalizes("isnan")
def isnan(node: Node, rewriter: Rewriter) -> Value:
    """``x != x``, which no integer is."""
    x = node.input(0)
    return rewriter.builder.op("not_equal", x, x)


@legalizes("isinf", "isfinite")
def isinf(node: Node, rewriter: Rewriter) -> Value:
    """``|x| == inf`` or ``|x| < inf``, which of a NaN neither is; integers are finite."""
    x, b = node.input(0), rewriter.builder
    if not dtypes.is_float(x.dtype):
        return b.op("equal" if node.op == "isfinite" else "not_equal", x, x)
    op = "equal" if node.op == "isinf" else "less"
    return b.op(op, b.op("abs", x), b.scalar(math.inf, x))


@legalizes("relu", "relu6")
def of_integers(node: Node, rewriter: Rewriter) -> Value | None:
    """``relu`` and ``relu6`` are for floats."""
    x, high = node.input(0), 6.0 if node.op == "relu6" else math.inf
    return None if dtypes.is_float(x.dtype) else rewriter.builder.op("clip", x, min=0.0, max=high)


@legalizes("prelu")
def prelu(node: Node, rewriter: Rewriter) -> Value | None:
    """``max(x, 0) + alpha * min(x, 0)``; the operation takes a slope a channel."""
    if slopes_by_channel(node):
        return None
    (x, alpha), b = (node.input(0), node.input(1)), rewriter.builder
    zero = b.scalar(0.0, x)
    below = b.op("mul", alpha, b.op("minimum", x, zero))
    return b.op("add", b.op("maximum", x, zero), below)


@legalizes("softmax", "log_softmax")
def softmax_of_several(node: Node, rewriter: Rewriter) -> Value | None:
    """``softmax`` takes one axis, whichever it is."""
    return softmax.over_the_last_axis(node, rewriter) if isinstance(node.attrs["axis"], tuple) else None


@legalizes("log_softmax")
def log_softmax(node: Node, rewriter: Rewriter) -> Value | None:
    """``s - log(sum(exp(s)))`` with ``s = x - max(x)``."""
    (x, axis), b = (node.input(0), node.attrs["axis"]), rewriter.builder
    shifted = b.op("sub", x, b.op("reduce_max", x, axes=(axis,), keepdims=True))
    total = b.op("reduce_sum", b.op("exp", shifted), axes=(axis,), keepdims=True)
    return b.op("sub", shifted, b.op("log", total))


@legalizes("layer_norm")
def layer_norm(node: Node, rewriter: Rewriter) -> Value | None:
    """``layer_norm`` is over the last axes, of known lengths, with constants."""
    x, axes = node.input(0), tuple(node.attrs["axes"])
    last = axes == tuple(range(x.rank - len(axes), x.rank))
    known = all(isinstance(x.shape[axis], int) for axis in axes)
    constant = all(value is None or value.constant is not None for value in node.inputs[1:])
    return None if last and known and constant else normalization.layer_norm(node, rewriter)
