"""Functions element by element that are series, loops, or little else than their argument."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from kexport.ir import Array, Value, dtypes
from kexport.lowering.loops import scan
from kexport.lowering.operations.operands import (
    arguments,
    as_float,
    cast,
    full,
    only,
    option,
    promoted_tensors,
)
from kexport.lowering.registry import Context, lowers

#: erfinv(x) = x * p(w), w = -log(1 - x^2), in w - 2.5 below 5 and in sqrt(w) - 3 from there on; from the highest power down.
#: M. Giles, "Approximating the erfinv function" (GPU Computing Gems, 2011), table 5: single precision.
_ERFINV_CENTRE: Final = (
    2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087, -0.00125372503, -0.00417768164, 0.246640727,
    1.50140941,
)  # fmt: skip
_ERFINV_TAILS: Final = (
    -0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613, 0.00943887047, 1.00167406,
    2.83297682,
)  # fmt: skip


def _polynomial(ctx: Context, x: Value, coefficients: Sequence[float]) -> Value:
    """By Horner's rule, from the highest power down."""
    total = ctx.b.scalar(coefficients[0], x)
    for coefficient in coefficients[1:]:
        total = ctx.b.op("add", ctx.b.op("mul", total, x), ctx.b.scalar(coefficient, x))
    return total


@lowers("ops.Erfinv")
def lower_erfinv(ctx: Context, *inputs: Value) -> Value:
    """The x whose error function it is; infinite at -1 and 1, NaN beyond."""
    x, b = as_float(ctx, arguments(ctx, "x")[0]), ctx.b
    wide = cast(ctx, x, "float64" if x.dtype == "float64" else "float32")
    w = b.op("neg", b.op("log1p", b.op("neg", b.op("square", wide))))
    centre = _polynomial(ctx, b.op("sub", w, b.scalar(2.5, w)), _ERFINV_CENTRE)
    tails = _polynomial(ctx, b.op("sub", b.op("sqrt", w), b.scalar(3.0, w)), _ERFINV_TAILS)
    result = b.op("mul", b.op("select", b.op("less", w, b.scalar(5.0, w)), centre, tails), wide)
    ends = b.op("equal", b.op("abs", wide), b.scalar(1.0, wide))
    return cast(ctx, b.op("select", ends, b.op("mul", wide, b.scalar(math.inf, wide)), result), x.dtype)


def _interpolated(function: Callable[[Array], Array], degree: int) -> list[float]:
    """The Chebyshev series that agrees with a function of -1..1 at the roots of the next polynomial."""
    roots = np.cos((np.arange(degree + 1) + 0.5) * math.pi / (degree + 1))
    coefficients: list[float] = np.polynomial.chebyshev.chebfit(roots, function(roots), degree).tolist()
    return coefficients


def _chebyshev(ctx: Context, t: Value, coefficients: Sequence[float]) -> Value:
    """``sum c_k T_k(t)`` by Clenshaw's recurrence."""
    b = ctx.b
    twice = b.op("add", t, t)
    ahead, now = b.scalar(0.0, t), b.scalar(float(coefficients[-1]), t)
    for coefficient in coefficients[-2:0:-1]:
        rest = b.op("sub", b.scalar(float(coefficient), t), ahead)
        ahead, now = now, b.op("add", b.op("mul", twice, now), rest)
    return b.op("add", b.op("mul", t, now), b.op("sub", b.scalar(float(coefficients[0]), t), ahead))


@lowers("ops.I0")
def lower_i0(ctx: Context, *inputs: Value) -> Value:
    """The modified Bessel function of order 0, ``exp(|x|) f(|x|)``: f is a Chebyshev series of ``|x| / 4 - 1`` up to 8, and beyond
    one of ``16 / |x| - 1`` over ``sqrt(|x|)``. The series are NumPy's ``i0`` interpolated to float32's precision."""
    given = only(ctx)
    x = cast(
        ctx,
        given,
        given.dtype if dtypes.is_float(given.dtype) else "float64" if given.dtype == "int64" else "float32",
    )
    b, a = ctx.b, ctx.b.op("abs", x)
    near = _interpolated(lambda t: np.i0(4 * (t + 1)) * np.exp(-4 * (t + 1)), 22)
    # t = -1 is an infinite argument, where the function tends to 1 / sqrt(2 pi).
    far = _interpolated(lambda t: _scaled_i0(16 / (t + 1)), 8)
    eight = b.scalar(8.0, a)
    low, high = b.op("minimum", a, eight), b.op("maximum", a, eight)
    inner = _chebyshev(ctx, b.op("sub", b.op("mul", low, b.scalar(0.25, a)), b.scalar(1.0, a)), near)
    outer = _chebyshev(ctx, b.op("sub", b.op("div", b.scalar(16.0, a), high), b.scalar(1.0, a)), far)
    outer = b.op("div", outer, b.op("sqrt", high))
    chosen = b.op("select", b.op("less_equal", a, eight), inner, outer)
    return b.op("mul", chosen, b.op("exp", a))


def _scaled_i0(x: Array) -> Array:
    """``i0(x) exp(-x) sqrt(x)``, by its asymptotic series where ``i0`` overflows (Abramowitz and Stegun, 9.7.1)."""
    series, term = np.ones_like(x), np.ones_like(x)
    for k in range(1, 12):
        term = term * (2 * k - 1) ** 2 / (8 * k * x)
        series = series + term
    small = np.minimum(x, 500.0)
    result: Array = np.where(
        x < 500, np.i0(small) * np.exp(-small) * np.sqrt(small), series / math.sqrt(2 * math.pi)
    )
    return result


#: Steps that Euclid's algorithm takes at most for numbers of so many bits (Fibonacci numbers are the worst).
_EUCLID_STEPS: Final = {8: 13, 16: 24, 32: 47, 64: 93}


@lowers("ops.Gcd", "ops.Lcm")
def lower_gcd(ctx: Context, *inputs: Value) -> Value:
    """The greatest common divisor, by Euclid: ``(a, b)`` becomes ``(b, a mod b)`` until b is 0. ``Lcm``: ``a * (b // gcd)``."""
    # A number is a tensor of int32 here (tf.convert_to_tensor), whatever the other's dtype.
    left, right = promoted_tensors(ctx, *arguments(ctx, "x1", "x2"))
    if not dtypes.is_integer(left.dtype):
        raise ctx.error(f"It takes integers. Received: {left.dtype}")
    b = ctx.b
    if left.dtype in dtypes.SIGNED:
        left, right = b.op("abs", left), b.op("abs", right)
    zero, one = b.scalar(0, left), b.scalar(1, left)
    # Sums with 0 of the other's shape: both broadcast.
    first, second = b.op("add", left, b.op("mul", right, zero)), b.op("add", right, b.op("mul", left, zero))

    def step(now: list[Value], states: list[Value]) -> tuple[list[Value], list[Value]]:
        larger, smaller = states
        done = b.op("equal", smaller, zero)
        rest = b.op("mod", larger, b.op("select", done, one, smaller))
        return [], [b.op("select", done, larger, smaller), b.op("select", done, zero, rest)]

    count = _EUCLID_STEPS[8 * dtypes.itemsize(left.dtype)]
    _, (divisor, _) = scan(ctx, [b.constant(np.zeros(count, "int32"), name="steps")], [first, second], step)
    if ctx.layer.class_name == "Gcd":
        return divisor
    none = b.op("equal", divisor, zero)
    multiple = b.op("mul", first, b.op("floor_div", second, b.op("select", none, one, divisor)))
    return b.op("select", none, zero, multiple)


@lowers("ops.Angle")
def lower_angle(ctx: Context, *inputs: Value) -> Value:
    """``pi`` below 0, else 0."""
    x, b = as_float(ctx, arguments(ctx, "x")[0]), ctx.b
    return b.op("select", b.op("less", x, b.scalar(0.0, x)), b.scalar(math.pi, x), b.scalar(0.0, x))


@lowers("ops.Imag")
def lower_imag(ctx: Context, *inputs: Value) -> Value:
    """0: nothing is complex."""
    x = only(ctx)
    return full(ctx, 0, x.dtype, x.shape)


@lowers("ops.Nextafter")
def lower_nextafter(ctx: Context, *inputs: Value) -> Value:
    """``x1``, or NaN where x2 is: Keras on TensorFlow takes the float64 after x1, which is x1 again once it is rounded to the
    result's dtype."""
    left, right = promoted_tensors(ctx, *arguments(ctx, "x1", "x2"), also=("float",))
    if left.dtype == "float64":
        raise ctx.error("Neighbours of float64 numbers can't be had. Received: float64", hint="Use float32.")
    b = ctx.b
    nan = b.op("select", b.op("isnan", right), b.scalar(math.nan, left), b.scalar(0.0, left))
    return b.op("add", left, nan)


@lowers("ops.View")
def lower_view(ctx: Context, *inputs: Value) -> Value:
    """The bits of ``x`` as another dtype of as many."""
    x = only(ctx)
    dtype = str(option(ctx, "dtype") or x.dtype)
    if x.dtype == dtype:
        return ctx.b.op("identity", x)
    if dtypes.itemsize(dtype) != dtypes.itemsize(x.dtype) or "bfloat16" in (dtype, x.dtype):
        raise ctx.error(f"A view is of as many bits as x has. Received: {dtype} of {x.type}")
    return ctx.b.op("bitcast", x, dtype=dtype)
