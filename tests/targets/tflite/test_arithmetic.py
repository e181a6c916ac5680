"""Elementwise functions over their whole domains, most of all those that are composed of several builtins."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from kexport.ir.ops import get
from support.graphs import graph_from
from targets.tflite.running import outputs_of

SMALLEST, LARGEST = 1.2e-38, 3e38

#: Numbers in which functions go wrong: next to 0 and 1, where exp overflows, and between.
_MAGNITUDES = np.concatenate(
    [
        np.geomspace(SMALLEST, 1e37, 900),
        np.linspace(0, 20, 1501),
        np.linspace(0.9, 1.1, 201),
        1 - np.geomspace(6e-8, 0.1, 60),
        1 + np.geomspace(1.2e-7, 0.1, 60),
        np.linspace(80, 105, 101),
    ]
)
EVERYWHERE = np.unique(np.concatenate([-_MAGNITUDES, _MAGNITUDES]).astype(np.float32))
ENDS = np.asarray([0.0, -0.0, math.inf, -math.inf, math.nan], np.float32)

#: The true value is met within 2e-6 of it, or 1e-7.
RELATIVE, ABSOLUTE = 2e-6, 1e-7


def computed(op: str, x: np.ndarray, **attrs) -> np.ndarray:
    return outputs_of(graph_from({"x": ("float32", x.shape)}, lambda b, v: b.op(op, v, **attrs)), [x])[0][0]


def meant(op: str, x: np.ndarray, **attrs) -> np.ndarray:
    """In double precision."""
    complete = {**get(op).attrs, **attrs}
    with np.errstate(all="ignore"):
        (result,) = get(op).compute([x.astype(np.float64)], complete)
        return np.asarray(result, np.float64)


def assert_true(
    op: str, x: np.ndarray, relative: float = RELATIVE, absolute: float = ABSOLUTE, **attrs
) -> None:
    result, truth = computed(op, x, **attrs).astype(np.float64), meant(op, x, **attrs)
    with np.errstate(over="ignore"):
        beyond = ~np.isfinite(truth.astype(np.float32))
        np.testing.assert_array_equal(result[beyond], truth[beyond].astype(np.float32))
    within = ~beyond
    off = np.abs(result[within] - truth[within]) / np.maximum(absolute, relative * np.abs(truth[within]))
    worst = int(np.argmax(np.where(np.isnan(off), np.inf, off)))
    at, got, wanted = x[within][worst], result[within][worst], truth[within][worst]
    assert off[worst] <= 1, f"{op}({at:.9g}) is {wanted:.9g}, not {got:.9g}"


def between(low: float, high: float) -> np.ndarray:
    return EVERYWHERE[(low <= EVERYWHERE) & (high >= EVERYWHERE)]


@pytest.mark.parametrize(
    "op",
    [
        "abs",
        "neg",
        "sign",
        "square",
        "relu",
        "relu6",
        "round",
        "trunc",
        "floor",
        "ceil",
        "atan",
        "tanh",
        "erf",
        "elu",
        "hard_swish",
    ],
)
def test_everywhere(op):
    assert_true(op, EVERYWHERE)


#: XNNPACK's LOG of infinity is 88.4 on processors with AVX2 and no AVX-512.
LOG_KNOWS_INFINITY = bool(np.isinf(computed("log", np.float32([math.inf]))[0]))


@pytest.mark.parametrize(
    ("op", "low", "high"),
    [
        ("asin", -1, 1),
        ("acos", -1, 1),
        ("atanh", -1, 1),
        ("log1p", -1, 1e38),
        ("asinh", -1e38, 1e38),
        ("acosh", 1, 1e38),
        ("expm1", -1e37, 70),
        ("reciprocal", SMALLEST, 1e37),
        ("rsqrt", SMALLEST, 1e37),
        ("sqrt", 0, 1e37),
        # XNNPACK's LOGISTIC is NaN beyond 1e26.
        ("sigmoid", -1e25, 1e25),
        ("silu", -1e25, 1e25),
    ],
)
def test_on_its_domain(op, low, high):
    x = between(low, high)
    assert_true(op, x if op != "atanh" or LOG_KNOWS_INFINITY else x[np.abs(x) < 1])


@pytest.mark.parametrize("op", ["exp", "expm1", "sinh", "cosh"])
def test_exponentials_up_to_where_float32_ends(op):
    # x * log2(e), as XNNPACK's EXP rounds it, is off by 5e-8 of x: so is the result, relatively.
    assert_true(op, between(-87, 87), relative=5e-6)


@pytest.mark.parametrize("op", ["sinh", "cosh"])
def test_hyperbolic_functions_beyond_where_exp_overflows(op):
    assert_true(op, np.float32([88.8, 89.0, 89.3, -89.0]), relative=5e-6)


def test_logarithms():
    # XNNPACK's LOG near 1 is the difference of two numbers near log(2).
    assert_true("log", between(SMALLEST, 1e38), absolute=2e-7)


@pytest.mark.parametrize(("op", "absolute"), [("softplus", 2e-7), ("gelu", 1e-6)])
def test_activations_that_end_near_0(op, absolute):
    # softplus: see its rule. GELU's builtin multiplies x by 1 + erf(x), a rounding of the 1.
    assert_true(op, between(-1e18, 1e18), absolute=absolute)


def test_gelu_by_tanh():
    assert_true("gelu", between(-1e3, 1e3), absolute=1e-6, approximate=True)


@pytest.mark.parametrize("op", ["sin", "cos"])
def test_angles(op):
    # XNNPACK rounds the angle's remainder.
    assert_true(op, between(-1e5, 1e5), absolute=5e-7)


def test_tangents():
    assert_true("tan", between(-1.5, 1.5), relative=1e-5)


@pytest.mark.parametrize("alpha", [0.3, 1.0, 1.67])
def test_elu_of_any_alpha(alpha):
    assert_true("elu", EVERYWHERE, alpha=alpha)


@pytest.mark.parametrize("alpha", [-0.5, 0.0, 0.2, 3.0])
def test_leaky_relu(alpha):
    assert_true("leaky_relu", between(-1e37, 1e37), alpha=alpha)


@pytest.mark.parametrize(
    "op",
    [
        "abs", "neg", "sign", "square", "floor", "ceil", "round", "trunc", "sqrt", "log", "log1p", "expm1", "tanh", "atan",
        "asin", "acos", "sinh", "asinh", "acosh", "atanh", "sigmoid", "softplus", "erf", "reciprocal", "isnan", "isinf", "isfinite",
    ],
)  # fmt: skip
def test_zeros_infinities_and_nan(op):
    ends = ENDS if LOG_KNOWS_INFINITY or op not in ("log", "log1p", "asinh", "acosh", "atanh") else ENDS[:2]
    np.testing.assert_array_equal(computed(op, ends), meant(op, ends).astype(computed(op, ends).dtype))


@pytest.mark.parametrize("op", ["exp", "cosh"])
def test_zeros_and_infinities(op):
    # XNNPACK's EXP of NaN is 0.
    np.testing.assert_array_equal(computed(op, ENDS[:4]), meant(op, ENDS[:4]))


def outside(low: float, high: float) -> np.ndarray:
    return between(-1e9, 1e9)[(between(-1e9, 1e9) < low) | (between(-1e9, 1e9) > high)]


@pytest.mark.parametrize(
    ("op", "x"),
    [
        ("asin", outside(-1, 1)), ("acos", outside(-1, 1)), ("atanh", outside(-1, 1)), ("acosh", outside(1, math.inf)),
        ("log1p", outside(-1, math.inf)), ("log", between(-1e37, -SMALLEST)), ("sqrt", between(-1e37, -SMALLEST)),
    ],
)  # fmt: skip
def test_there_is_no_number_outside_of_a_domain(op, x):
    assert np.isnan(computed(op, x)).all()


def _pairs() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    values = np.concatenate(
        [random.uniform(-9, 9, 400), random.uniform(-1e4, 1e4, 400), [0.0, -0.0, 1.0, -1.0, 0.5]]
    )
    a, b = np.meshgrid(values[::20].astype(np.float32), values[::17].astype(np.float32))
    return a.reshape(-1), b.reshape(-1)


def _check_pairs(op: str, a: np.ndarray, b: np.ndarray, relative: float = RELATIVE) -> None:
    types = {"a": ("float32", a.shape), "b": ("float32", b.shape)}
    result = outputs_of(graph_from(types, lambda build, x, y: build.op(op, x, y)), [a, b])[0][0]
    with np.errstate(all="ignore"):
        (truth,) = get(op).compute([a.astype(np.float64), b.astype(np.float64)], get(op).attrs)
    np.testing.assert_allclose(result, truth, rtol=relative, atol=ABSOLUTE)


@pytest.mark.parametrize(
    "op", ["add", "sub", "mul", "maximum", "minimum", "atan2", "squared_difference", "prelu"]
)
def test_pairs(op):
    a, b = _pairs()
    # A difference of near numbers is as exact as they are: to 6e-8 of 1e4.
    near = np.abs(a - b) < 1e-2 * np.abs(a)
    _check_pairs(op, a[~near], b[~near])


def test_quotients():
    a, b = _pairs()
    _check_pairs("div", a[b != 0], b[b != 0])


def test_remainders_take_the_sign_of_the_divisor():
    a, b = _pairs()
    # In whole numbers: where a quotient is next to one, float32 decides otherwise than float64.
    a, b = np.round(a), np.round(b)
    _check_pairs("mod", a[b != 0], b[b != 0])
    _check_pairs("floor_div", a[b != 0], b[b != 0])


def test_powers():
    a, b = _pairs()
    a, b = np.abs(a), np.clip(b, -8, 8)
    with np.errstate(over="ignore", divide="ignore"):
        truth = a.astype(np.float64) ** b
    kept = (truth < LARGEST) & (truth > SMALLEST)
    _check_pairs("pow", a[kept], b[kept])


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32"])
def test_shifts_to_the_left_by_any_number_of_bits(dtype):
    bits = np.iinfo(dtype).bits
    shift = np.arange(bits).astype(dtype)
    x = np.full_like(shift, 3)
    body: Callable = lambda b, v, s: b.op("left_shift", v, s)  # noqa: E731 - as the other bodies
    result = outputs_of(graph_from({"x": (dtype, x.shape), "s": (dtype, x.shape)}, body), [x, shift])[0][0]
    np.testing.assert_array_equal(result, np.left_shift(x, shift))


@pytest.mark.parametrize(("low", "high"), [(-1.5, 2.5), (-math.inf, 1.0), (0.5, math.inf), (2.0, 2.0)])
@pytest.mark.parametrize("dtype", ["float32", "int32", "int64", "uint8"])
def test_clipping(low, high, dtype):
    if dtype != "float32":
        low, high = (bound if math.isinf(bound) else float(math.ceil(abs(bound))) for bound in (low, high))
    x = np.arange(0 if dtype == "uint8" else -5, 6).astype(dtype)
    body = lambda b, v: b.op("clip", v, min=low, max=high)  # noqa: E731
    np.testing.assert_array_equal(
        outputs_of(graph_from({"x": (dtype, x.shape)}, body), [x])[0][0], np.clip(x, low, high).astype(dtype)
    )


@pytest.mark.parametrize("op", ["softmax", "log_softmax"])
@pytest.mark.parametrize("axis", [0, 1, 2, (0, 2), (1, 2), (0, 1, 2)])
def test_softmax_over_any_axes_does_not_overflow(op, axis):
    x = np.random.default_rng(0).normal(0, 100, (3, 4, 5)).astype(np.float32)
    x[0, 0, 0] = 3e4
    np.testing.assert_allclose(computed(op, x, axis=axis), meant(op, x, axis=axis), rtol=2e-5, atol=ABSOLUTE)


@pytest.mark.parametrize("op", ["isnan", "isinf", "isfinite"])
def test_tests_of_numbers(op):
    x = np.concatenate([EVERYWHERE, ENDS])
    np.testing.assert_array_equal(computed(op, x), meant(op, x).astype(bool))
