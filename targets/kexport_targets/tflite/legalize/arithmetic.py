"""Elementwise functions that have no builtin, in terms of those that have one.

Each keeps float32's accuracy over the whole range of its argument, not only the definition: ``log(1 + x)`` alone loses all
of a small x.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from kexport.errors import UnsupportedOpError
from kexport.ir import Builder, Node, Value, dtypes
from kexport.passes import Rewriter
from kexport_targets.tflite.legalize.registry import legalizes


def _log1p(b: Builder, x: Value) -> Value:
    """``log(1 + x)``; below 1/2, with ``u = 1 + x`` as it is rounded, ``log(u) * x / (u - 1)`` (Kahan's correction, in
    Goldberg, "What every computer scientist should know about floating-point arithmetic", 1991, theorem 4)."""
    one = b.scalar(1.0, x)
    u = b.op("add", x, one)
    log, gained = b.op("log", u), b.op("sub", u, one)
    corrected = b.op("mul", log, b.op("div", x, gained))
    small = b.op("select", b.op("equal", gained, b.scalar(0.0, x)), x, corrected)
    return b.op("select", b.op("less", b.op("abs", x), b.scalar(0.5, x)), small, log)


def _expm1(b: Builder, x: Value) -> Value:
    """``exp(x) - 1``: below 0 that is what ELU computes; above 0, ``-expm1(-x) * exp(x)``."""
    below = b.op("elu", b.op("neg", b.op("abs", x)))  # expm1(-|x|)
    above = b.op("mul", b.op("neg", below), b.op("exp", x))
    return b.op("select", b.op("greater", x, b.scalar(0.0, x)), above, below)


def _one_minus_square(b: Builder, x: Value) -> Value:
    """``sqrt(1 - x^2)`` as ``sqrt((1 - x) * (1 + x))``, which does not cancel near 1."""
    one = b.scalar(1.0, x)
    return b.op("sqrt", b.op("mul", b.op("sub", one, x), b.op("add", one, x)))


@legalizes("log1p")
def log1p(node: Node, rewriter: Rewriter) -> Value:
    """See :func:`_log1p`."""
    return _log1p(rewriter.builder, node.input(0))


@legalizes("expm1")
def expm1(node: Node, rewriter: Rewriter) -> Value:
    """See :func:`_expm1`."""
    return _expm1(rewriter.builder, node.input(0))


@legalizes("reciprocal")
def reciprocal(node: Node, rewriter: Rewriter) -> Value:
    """``1 / x``."""
    x, b = node.input(0), rewriter.builder
    return b.op("div", b.scalar(1.0, x), x)


@legalizes("trunc")
def trunc(node: Node, rewriter: Rewriter) -> Value:
    """``sign(x) * floor(|x|)``."""
    x, b = node.input(0), rewriter.builder
    return b.op("mul", b.op("sign", x), b.op("floor", b.op("abs", x)))


@legalizes("tan")
def tan(node: Node, rewriter: Rewriter) -> Value:
    """``sin(x) / cos(x)``."""
    x, b = node.input(0), rewriter.builder
    return b.op("div", b.op("sin", x), b.op("cos", x))


@legalizes("asin")
def asin(node: Node, rewriter: Rewriter) -> Value:
    """``atan2(x, sqrt(1 - x^2))``."""
    x, b = node.input(0), rewriter.builder
    return b.op("atan2", x, _one_minus_square(b, x))


@legalizes("acos")
def acos(node: Node, rewriter: Rewriter) -> Value:
    """``atan2(sqrt(1 - x^2), x)``."""
    x, b = node.input(0), rewriter.builder
    return b.op("atan2", _one_minus_square(b, x), x)


@legalizes("atan")
def atan(node: Node, rewriter: Rewriter) -> Value:
    """``atan2(x, 1)``; ATAN2 wants operands of one shape."""
    x, b = node.input(0), rewriter.builder
    one = b.op("add", b.op("mul", x, b.scalar(0.0, x)), b.scalar(1.0, x))
    return b.op("atan2", x, one)


@legalizes("sinh")
def sinh(node: Node, rewriter: Rewriter) -> Value:
    """``(e + e / (e + 1)) / 2`` with ``e = expm1(|x|)``, and the sign of x."""
    x, b = node.input(0), rewriter.builder
    e = _expm1(b, b.op("abs", x))
    doubled = b.op("add", e, b.op("div", e, b.op("add", e, b.scalar(1.0, x))))
    return b.op("mul", b.op("sign", x), b.op("mul", doubled, b.scalar(0.5, x)))


@legalizes("cosh")
def cosh(node: Node, rewriter: Rewriter) -> Value:
    """``(exp(x) + exp(-x)) / 2``."""
    x, b = node.input(0), rewriter.builder
    return b.op("mul", b.op("add", b.op("exp", x), b.op("exp", b.op("neg", x))), b.scalar(0.5, x))


@legalizes("asinh")
def asinh(node: Node, rewriter: Rewriter) -> Value:
    """``log1p(a + a^2 / (1 + sqrt(a^2 + 1)))`` with ``a = |x|``, and the sign of x."""
    x, b = node.input(0), rewriter.builder
    a, one = b.op("abs", x), b.scalar(1.0, x)
    square = b.op("mul", a, a)
    root = b.op("sqrt", b.op("add", square, one))
    inner = b.op("add", a, b.op("div", square, b.op("add", one, root)))
    return b.op("mul", b.op("sign", x), _log1p(b, inner))


@legalizes("acosh")
def acosh(node: Node, rewriter: Rewriter) -> Value:
    """``log1p(t + sqrt(t * (x + 1)))`` with ``t = x - 1``."""
    x, b = node.input(0), rewriter.builder
    one = b.scalar(1.0, x)
    t = b.op("sub", x, one)
    return _log1p(b, b.op("add", t, b.op("sqrt", b.op("mul", t, b.op("add", x, one)))))


@legalizes("atanh")
def atanh(node: Node, rewriter: Rewriter) -> Value:
    """``log1p(2 * x / (1 - x)) / 2``."""
    x, b = node.input(0), rewriter.builder
    inner = b.op("div", b.op("mul", x, b.scalar(2.0, x)), b.op("sub", b.scalar(1.0, x), x))
    return b.op("mul", _log1p(b, inner), b.scalar(0.5, x))


#: erf(x) = x * P(x^2) / Q(x^2) on -4..4, to 4 ulp; beyond that it is 1 in float32. Coefficients from the highest power down:
#: XLA's rational approximation (openxla/xla, xla/hlo/builder/lib/math.cc, kErfNumerator and kErfDenominator; from Eigen's
#: generic_fast_erf_float).
_ERF_NUMERATOR: Final = (
    -2.72614225801306e-10, 2.77068142495902e-08, -2.10102402082508e-06, -5.69250639462346e-05, -7.34990630326855e-04,
    -2.95459980854025e-03, -1.60960333262415e-02,
)  # fmt: skip
_ERF_DENOMINATOR: Final = (
    -1.45660718464996e-05, -2.13374055278905e-04, -1.68282697438203e-03, -7.37332916720468e-03, -1.42647390514189e-02,
)  # fmt: skip


def _polynomial(b: Builder, x: Value, coefficients: Sequence[float]) -> Value:
    """By Horner's rule, from the highest power down."""
    total = b.op("mul", x, b.scalar(coefficients[0], x))
    for coefficient in coefficients[1:-1]:
        total = b.op("mul", b.op("add", total, b.scalar(coefficient, x)), x)
    return b.op("add", total, b.scalar(coefficients[-1], x))


@legalizes("erf")
def erf(node: Node, rewriter: Rewriter) -> Value:
    """A quotient of polynomials, of x between -4 and 4."""
    b = rewriter.builder
    x = b.op("clip", node.input(0), min=-4.0, max=4.0)
    square = b.op("mul", x, x)
    above = b.op("mul", x, _polynomial(b, square, _ERF_NUMERATOR))
    return b.op("div", above, _polynomial(b, square, _ERF_DENOMINATOR))


@legalizes("isnan")
def isnan(node: Node, rewriter: Rewriter) -> Value:
    """``x != x``."""
    return rewriter.builder.op("not_equal", node.input(0), node.input(0))


@legalizes("isinf")
def isinf(node: Node, rewriter: Rewriter) -> Value:
    """``|x| == inf``."""
    x, b = node.input(0), rewriter.builder
    return b.op("equal", b.op("abs", x), b.scalar(math.inf, x))


@legalizes("isfinite")
def isfinite(node: Node, rewriter: Rewriter) -> Value:
    """``|x| < inf``, which a NaN is not."""
    x, b = node.input(0), rewriter.builder
    return b.op("less", b.op("abs", x), b.scalar(math.inf, x))


@legalizes("logical_xor")
def logical_xor(node: Node, rewriter: Rewriter) -> Value:
    """``a != b``."""
    return rewriter.builder.op("not_equal", node.input(0), node.input(1))


@legalizes("square")
def square(node: Node, rewriter: Rewriter) -> Value | None:
    """SQUARE is for floats."""
    x = node.input(0)
    return None if dtypes.is_float(x.dtype) else rewriter.builder.op("mul", x, x)


@legalizes("relu", "relu6")
def relu(node: Node, rewriter: Rewriter) -> Value | None:
    """RELU and RELU6 are for floats."""
    x, high = node.input(0), 6.0 if node.op == "relu6" else math.inf
    return None if dtypes.is_float(x.dtype) else rewriter.builder.op("clip", x, min=0.0, max=high)


@legalizes("left_shift")
def left_shift(node: Node, rewriter: Rewriter) -> Value:
    """``a * 2 ** b``."""
    (a, shift), b = (node.input(0), node.input(1)), rewriter.builder
    return b.op("mul", a, b.op("pow", b.scalar(2, a), shift))


@legalizes("bitwise_and", "bitwise_or")
def bitwise(node: Node, rewriter: Rewriter) -> Value:
    """No builtin does it, and arithmetic that does would overflow."""
    raise UnsupportedOpError(
        f"Layer {node.origin!r}: the op {node.op!r} has no TFLite builtin.",
        hint="Of the bitwise functions TFLite has bitwise_xor and the shifts.",
    )
