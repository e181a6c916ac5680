"""Functions of numbers spelled out, each to float32's accuracy over the whole range of its argument."""

from __future__ import annotations

import math

from kexport.ir import Node, Value
from kexport.passes.rewriting import Rewriter


def trunc(node: Node, rewriter: Rewriter) -> Value:
    """``sign(x) * floor(|x|)``."""
    x, b = node.input(0), rewriter.builder
    return b.op("mul", b.op("sign", x), b.op("floor", b.op("abs", x)))


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


def log1p(node: Node, rewriter: Rewriter) -> Value:
    """Kahan's: with u = 1 + x, ``log(u) * x / (u - 1)``; x where u is 1, log(u) where that is infinite."""
    x, b = node.input(0), rewriter.builder
    one = b.scalar(1.0, x)
    u = b.op("add", x, one)
    is_one, is_endless = b.op("equal", u, one), b.op("equal", u, b.scalar(math.inf, x))
    difference = b.op("select", is_one, one, b.op("sub", u, one))
    made = b.op("div", b.op("mul", b.op("log", u), x), difference)
    return b.op("select", is_one, x, b.op("select", is_endless, b.op("log", u), made))


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


def asinh(node: Node, rewriter: Rewriter) -> Value:
    """``log1p(a + a^2 / (1 + sqrt(a^2 + 1)))`` with ``a = |x|``, or ``log(2 * a)`` long before a^2 overflows, and the sign of
    x."""
    x, b = node.input(0), rewriter.builder
    a, one = b.op("abs", x), b.scalar(1.0, x)
    square = b.op("mul", a, a)
    root = b.op("sqrt", b.op("add", square, one))
    inner = b.op("add", a, b.op("div", square, b.op("add", one, root)))
    large = b.op("add", b.op("log", a), b.scalar(math.log(2), x))
    return b.op(
        "mul", b.op("sign", x), b.op("select", b.op("less", a, b.scalar(1e9, x)), b.op("log1p", inner), large)
    )


def acosh(node: Node, rewriter: Rewriter) -> Value:
    """``log1p(t + sqrt(t) * sqrt(x + 1))`` with ``t = x - 1``: the product of the roots is no number below 1, where the root
    of the product is one again."""
    x, b = node.input(0), rewriter.builder
    one = b.scalar(1.0, x)
    t = b.op("sub", x, one)
    root = b.op("mul", b.op("sqrt", t), b.op("sqrt", b.op("add", x, one)))
    return b.op("log1p", b.op("add", t, root))
