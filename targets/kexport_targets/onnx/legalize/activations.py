"""Functions that have no operator, in the arithmetic of those that have."""

from __future__ import annotations

import math

from kexport.ir import Node, Value, dtypes
from kexport.passes import Rewriter
from kexport.passes.rewrites import activations as spelled_out
from kexport.passes.rewrites import softmax
from kexport_targets.onnx.legalize.registry import legalizes

legalizes("silu")(spelled_out.silu)


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


@legalizes("trunc")
def trunc(node: Node, rewriter: Rewriter) -> Value:
    """``sign(x) * floor(|x|)``."""
    x, b = node.input(0), rewriter.builder
    return b.op("mul", b.op("sign", x), b.op("floor", b.op("abs", x)))


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


@legalizes("expm1")
def expm1(node: Node, rewriter: Rewriter) -> Value:
    """Kahan's: with u = exp(x), ``(u - 1) * x / log(u)``, whose rounding errors cancel; x where u is 1, u - 1 where that is -1
    or infinite."""
    x, b = node.input(0), rewriter.builder
    one = b.scalar(1.0, x)
    u = b.op("exp", x)
    less = b.op("sub", u, one)
    log = b.op("log", u)
    is_one, is_none = b.op("equal", u, one), b.op("equal", less, b.scalar(-1.0, x))
    extreme = b.op("logical_or", is_none, b.op("equal", u, b.scalar(math.inf, x)))
    plain = b.op("select", is_one, one, b.op("select", extreme, one, log))
    made = b.op("div", b.op("mul", less, x), plain)
    return b.op("select", is_one, x, b.op("select", extreme, less, made))


@legalizes("log1p")
def log1p(node: Node, rewriter: Rewriter) -> Value:
    """Kahan's: with u = 1 + x, ``log(u) * x / (u - 1)``; x where u is 1, log(u) where that is infinite."""
    x, b = node.input(0), rewriter.builder
    one = b.scalar(1.0, x)
    u = b.op("add", x, one)
    is_one, is_endless = b.op("equal", u, one), b.op("equal", u, b.scalar(math.inf, x))
    difference = b.op("select", is_one, one, b.op("sub", u, one))
    made = b.op("div", b.op("mul", b.op("log", u), x), difference)
    return b.op("select", is_one, x, b.op("select", is_endless, b.op("log", u), made))


@legalizes("atan2")
def atan2(node: Node, rewriter: Rewriter) -> Value:
    """``atan(y / x)`` in the right half plane; turned by pi towards y's sign in the left one, and by a half on the axis."""
    y, x, b = node.input(0), node.input(1), rewriter.builder
    zero = b.scalar(0.0, x)
    safe = b.op("select", b.op("equal", x, zero), b.scalar(1.0, x), x)
    angle = b.op("atan", b.op("div", y, safe))
    above = b.op("greater_equal", y, zero)
    turn = b.op("select", above, b.scalar(math.pi, x), b.scalar(-math.pi, x))
    left = b.op("select", b.op("less", x, zero), b.op("add", angle, turn), angle)
    half = b.op("mul", b.op("sign", y), b.scalar(math.pi / 2, x))
    return b.op("select", b.op("equal", x, zero), half, left)


@legalizes("softmax", "log_softmax")
def softmax_of_several(node: Node, rewriter: Rewriter) -> Value | None:
    """The operators take one axis, whichever it is."""
    return softmax.over_the_last_axis(node, rewriter) if isinstance(node.attrs["axis"], tuple) else None
