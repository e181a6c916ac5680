"""Elementwise functions that have no builtin, in terms of those that have one.

Each keeps float32's accuracy over the whole range of its argument, not only the definition: ``log(1 + x)`` alone loses all
of a small x.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from kexport.errors import UnsupportedOpError
from kexport.ir import Builder, Node, Value, dtypes
from kexport.passes import Rewriter
from kexport.passes.rewrites import functions
from kexport_targets.tflite.legalize.registry import legalizes

legalizes("trunc")(functions.trunc)
legalizes("asinh")(functions.asinh)
legalizes("acosh")(functions.acosh)

#: log(1 + x) = 2 * atanh(s) with s = x / (2 + x), and atanh(s) = s * (1 + s^2 / 3 + s^4 / 5 + ...): to s^8 the series is
#: exact to 3e-9 where |x| < 0.3. Coefficients from the highest power down.
_ATANH: Final = (1 / 9, 1 / 7, 1 / 5, 1 / 3, 1.0)


def _log1p(b: Builder, x: Value) -> Value:
    """``log(1 + x)``; a series near 0, where adding 1 loses x's digits and XNNPACK's LOG, near 1, is off by 1e-7."""
    log = b.op("log", b.op("add", x, b.scalar(1.0, x)))
    s = b.op("div", x, b.op("add", x, b.scalar(2.0, x)))
    near = b.op("mul", b.op("add", s, s), _polynomial(b, b.op("mul", s, s), _ATANH))
    return b.op("select", b.op("less", b.op("abs", x), b.scalar(0.3, x)), near, log)


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
    return b.op("atan2", x, b.op("clip", x, min=1.0, max=1.0))


def _half_exp(b: Builder, x: Value) -> Value:
    """``exp(x / 2)``: twice a factor of what exp(x) alone would overflow in."""
    return b.op("exp", b.op("mul", x, b.scalar(0.5, x)))


def _signed(b: Builder, x: Value, magnitude: Value) -> Value:
    return b.op("mul", b.op("sign", x), magnitude)


@legalizes("sinh")
def sinh(node: Node, rewriter: Rewriter) -> Value:
    """``-expm1(-2 * |x|) * exp(|x|) / 2``, and the sign of x."""
    x, b = node.input(0), rewriter.builder
    a = b.op("abs", x)
    half = _half_exp(b, a)
    below = b.op("elu", b.op("mul", a, b.scalar(-2.0, x)))
    return _signed(b, x, b.op("mul", b.op("mul", b.op("mul", below, b.scalar(-0.5, x)), half), half))


@legalizes("cosh")
def cosh(node: Node, rewriter: Rewriter) -> Value:
    """``(exp(|x|) + exp(-|x|)) / 2``."""
    x, b = node.input(0), rewriter.builder
    half, point5 = _half_exp(b, b.op("abs", x)), b.scalar(0.5, x)
    rising = b.op("mul", b.op("mul", half, point5), half)
    return b.op("add", rising, b.op("div", b.op("div", point5, half), half))


@legalizes("atanh")
def atanh(node: Node, rewriter: Rewriter) -> Value:
    """``log1p(2 * a / (1 - a)) / 2`` with ``a = |x|``, and the sign of x."""
    x, b = node.input(0), rewriter.builder
    a = b.op("abs", x)
    inner = b.op("div", b.op("add", a, a), b.op("sub", b.scalar(1.0, x), a))
    return _signed(b, x, b.op("mul", _log1p(b, inner), b.scalar(0.5, x)))


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


@legalizes("floor_div")
def floor_div(node: Node, rewriter: Rewriter) -> Value | None:
    """``floor(a / b)`` of floats: FLOOR_DIV fails where b is 0 (floor_div.cc, EvalImpl)."""
    b = rewriter.builder
    return b.op("floor", b.op("div", *node.inputs)) if dtypes.is_float(node.input(0).dtype) else None


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


@legalizes("abs")
def absolute(node: Node, rewriter: Rewriter) -> Value | None:
    """``max(x, -x)`` of an int64, which ABS doesn't take; nothing of unsigned integers."""
    x, b = node.input(0), rewriter.builder
    if x.dtype in dtypes.UNSIGNED:
        return x
    return b.op("maximum", x, b.op("neg", x)) if x.dtype == "int64" else None


@legalizes("sign")
def sign(node: Node, rewriter: Rewriter) -> Value | None:
    """Of integers that SIGN doesn't take, ``min(max(x, -1), 1)``."""
    x, low = node.input(0), 0.0 if node.input(0).dtype in dtypes.UNSIGNED else -1.0
    if x.dtype != "int64" and x.dtype not in dtypes.UNSIGNED:
        return None
    return rewriter.builder.op("clip", x, min=low, max=1.0)


@legalizes("squared_difference")
def squared_difference(node: Node, rewriter: Rewriter) -> Value | None:
    """``(a - b) ** 2`` of int64, which SQUARED_DIFFERENCE doesn't take."""
    b = rewriter.builder
    return b.op("square", b.op("sub", *node.inputs)) if node.input(0).dtype == "int64" else None


@legalizes("left_shift")
def left_shift(node: Node, rewriter: Rewriter) -> Value:
    """``a * 2 ** b``; POW has 32 bits, so the powers for 64 are looked up."""
    (a, shift), b = (node.input(0), node.input(1)), rewriter.builder
    if a.dtype != "int64":
        return b.op("mul", a, b.op("pow", b.scalar(2, a), shift))
    powers = b.constant(np.left_shift(np.int64(1), np.arange(64)), "int64", name="powers")
    return b.op("mul", a, b.op("gather", powers, shift))


#: The dtypes of RIGHT_SHIFT and BITWISE_XOR in which sums and remainders have a kernel too, and what others widen to.
_BITWISE: Final = {
    "int32": "int32",
    "uint32": "uint32",
    **dict.fromkeys(["int8", "int16", "uint8", "uint16"], "int32"),
}


@legalizes("bitwise_and", "bitwise_or", "bitwise_xor")
def bitwise(node: Node, rewriter: Rewriter) -> Value | None:
    """Of bools they are the logical ones. For integers there is BITWISE_XOR, which with sums makes the others.

    ``a + b == (a ^ b) + 2 * (a & b)``, so ``a & b == (a >> 1) + (b >> 1) - ((a >> 1) ^ (b >> 1)) + (a % 2) * (b % 2)``, in which nothing overflows, and
    ``a | b == (a ^ b) + (a & b)``.
    """
    (left, right), b = (node.input(0), node.input(1)), rewriter.builder
    if left.dtype == "bool":
        return b.op(node.op.replace("bitwise", "logical"), left, right)
    if node.op == "bitwise_xor":
        return None
    wide = _BITWISE.get(left.dtype)
    if wide is None:
        raise UnsupportedOpError(
            f"Layer {node.origin!r}: TFLite computes {node.op} in {', '.join(_BITWISE)}. Received: {left.dtype}.",
            hint="Change the dtype before this layer.",
        )
    if wide != left.dtype:
        casts = (b.op("cast", value, dtype=wide) for value in (left, right))
        return b.op("cast", b.op(node.op, *casts), dtype=left.dtype)
    both = _common_bits(b, left, right)
    return both if node.op == "bitwise_and" else b.op("add", b.op("bitwise_xor", left, right), both)


def _common_bits(b: Builder, left: Value, right: Value) -> Value:
    """``left & right`` of 32 bits."""
    one, two = b.scalar(1, left), b.scalar(2, left)
    halves = [b.op("right_shift", value, one) for value in (left, right)]
    twice = b.op("sub", b.op("add", *halves), b.op("bitwise_xor", *halves))
    return b.op("add", twice, b.op("mul", b.op("mod", left, two), b.op("mod", right, two)))
