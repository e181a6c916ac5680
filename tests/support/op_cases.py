"""Every op of the graph in small cases, and the dtypes in which each makes sense: the table that targets are held against.

``support.op_by_dtype`` runs a case on a target's own runtime and compares it with what the op means in NumPy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from kexport.ir import Array, Builder, Value, dtypes

DTYPES = tuple(dtype for dtype in dtypes.ALL if dtype != "string")
FLOATS, INTEGERS, BOOL = dtypes.FLOATS, dtypes.INTEGERS, ("bool",)
NUMBERS = (*FLOATS, *INTEGERS)

#: Ops of text and of what becomes of it, which have tests of their own: test_text_ops.py, and test_text.py of targets that hold text.
TEXT_OPS = frozenset(["lower", "strip_punctuation", "tokenize", "bincount"])

ANY = (*NUMBERS, *BOOL)
SIGNED = (*FLOATS, *dtypes.SIGNED)

#: (builder, inputs) → outputs; inputs are (2, 4, 4, 2) unless the case says otherwise.
Body = Callable[..., Any]


@dataclass(frozen=True)
class Case:
    """An op, the dtypes in which it makes sense, and how the inputs are made of a dtype."""

    body: Body
    dtypes: tuple[str, ...]
    inputs: int = 1
    shape: tuple[int, ...] = (2, 4, 4, 2)
    low: float = -7
    high: float = 8
    #: Operands after the first are kept away from 0 and, ``natural``, positive.
    natural: bool = False
    #: No negative numbers: a negative float has no meaning in an unsigned integer.
    unsigned: bool = False
    #: What rounding may change in an integer result.
    slack: int = 0


def plain(op: str, **attrs: Any) -> Body:
    return lambda b, *values: b.op(op, *values, **attrs)


def weights(b: Builder, like: Value, *shape: int) -> Value:
    """Small integers, which every dtype holds."""
    return b.constant(np.arange(np.prod(shape)).reshape(shape) % 3, like.dtype)


_WINDOW = {"strides": (1, 1), "padding": "same", "dilations": (1, 1)}
_POOL = {"window": (2, 2), "strides": (2, 2), "padding": "same"}
_PADDED = {"window": (2, 2), "strides": (1, 1), "padding": ((1, 0), (0, 1))}


def _conv(b: Builder, x: Value) -> list[Value]:
    return [
        b.op("conv", x, weights(b, x, 2, 2, 2, 3), weights(b, x, 3), **_WINDOW),
        b.op("conv", x, weights(b, x, 2, 2, 2, 3), **{**_WINDOW, "padding": ((1, 0), (0, 1))}),
    ]


def _conv_transpose(b: Builder, x: Value) -> Value:
    attrs = {"strides": (2, 2), "crops": ((0, 1), (0, 1)), "dilations": (1, 1)}
    return b.op("conv_transpose", x, weights(b, x, 3, 3, 3, 2), weights(b, x, 3), **attrs)


def _pads(b: Builder, x: Value) -> list[Value]:
    pads = ((0, 0), (1, 0), (0, 2), (0, 0))
    return [b.op("pad", x, pads=pads, mode=mode) for mode in ("constant", "reflect", "symmetric")] + [
        b.op("pad", x, pads=pads, value=3.0)
    ]


def _slices(b: Builder, x: Value) -> Value:
    return b.op("slice", x, begin=(0, 1, -3, 0), end=(None, -1, None, 1), strides=(1, 1, 2, 1))


def _gather(b: Builder, x: Value) -> list[Value]:
    rows = np.asarray([[2, 0], [1, 1]])
    return [b.op("gather", x, b.constant(rows, dtype), axis=1) for dtype in INTEGERS]


def _gather_at(b: Builder, x: Value) -> Value:
    return b.op("gather", b.constant(np.linspace(0, 1, 16).reshape(8, 2), "float32"), x)


def _attention(b: Builder, x: Value, y: Value, z: Value) -> list[Value]:
    """Plain; causal, with a scale; two heads that share one, with numbers added; what counts, of which a row has nothing."""
    counts = np.arange(50).reshape(2, 1, 5, 5) % 3 > 0
    counts[1, 0, 2] = False
    shared = [b.op("slice", v, begin=(0, 0, 0), end=(None, 4, 4), strides=(1, 1, 1)) for v in (y, z)]
    heads: dict[str, Any] = {"heads": 2, "shared_heads": 2}
    return [
        b.op("attention", x, y, z, **heads, scale=1.0),
        b.op("attention", x, y, z, **heads, scale=0.5, causal=True),
        b.op("attention", x, *shared, weights(b, x, 1, 2, 1, 4), heads=2, shared_heads=1, scale=0.5),
        b.op("attention", x, y, z, b.constant(counts), **heads, scale=0.5),
        b.op("attention", x, y, z, b.constant(counts[:1, :, :1]), **heads, scale=0.5, causal=True),
    ]


def _reduce(op: str) -> Body:
    return lambda b, x: [b.op(op, x, axes=axes, keepdims=k) for axes, k in (((1, 2), False), ((3,), True))]


def _cumsum(b: Builder, x: Value) -> list[Value]:
    return [b.op("cumsum", x, axis=1), b.op("cumsum", x, axis=2, exclusive=True, reverse=True)]


def _top_k(b: Builder, x: Value) -> list[Value]:
    return [value for k in (1, 7, 40) for value in b.ops("top_k", x, k=k)]


def _select(b: Builder, x: Value, y: Value) -> Value:
    return b.op("select", b.op("less", x, y), x, y)


CASES: dict[str, Case] = {
    **{op: Case(plain(op), FLOATS) for op in (
        "exp", "expm1", "sin", "cos", "tan", "atan", "sinh", "cosh", "tanh", "asinh", "erf", "sigmoid", "softplus", "silu",
        "hard_swish", "gelu", "elu", "floor", "ceil", "round", "trunc",
    )},
    **{op: Case(plain(op), FLOATS, low=0.5, high=8) for op in ("log", "log1p", "sqrt", "rsqrt", "reciprocal")},
    **{op: Case(plain(op), FLOATS, low=-0.9, high=0.9) for op in ("asin", "acos", "atanh")},
    "acosh": Case(plain("acosh"), FLOATS, low=1.1, high=8),
    "gelu by tanh": Case(plain("gelu", approximate=True), FLOATS),
    "abs": Case(plain("abs"), NUMBERS),
    "neg": Case(plain("neg"), NUMBERS),
    "sign": Case(plain("sign"), NUMBERS),
    "square": Case(plain("square"), NUMBERS),
    **{op: Case(plain(op), NUMBERS) for op in ("relu", "relu6")},
    "identity": Case(plain("identity"), ANY),
    **{op: Case(plain(op), FLOATS) for op in ("isnan", "isinf", "isfinite")},
    "logical_not": Case(plain("logical_not"), BOOL),
    **{op: Case(plain(op), ANY, 2) for op in ("add", "mul", "maximum", "minimum")},
    "sub": Case(plain("sub"), NUMBERS, 2),
    "div": Case(plain("div"), NUMBERS, 2, natural=True),
    "floor_div": Case(plain("floor_div"), NUMBERS, 2, natural=True),
    "mod": Case(plain("mod"), NUMBERS, 2, natural=True),
    "pow": Case(plain("pow"), NUMBERS, 2, low=1, high=4, natural=True),
    "atan2": Case(plain("atan2"), FLOATS, 2),
    "squared_difference": Case(plain("squared_difference"), NUMBERS, 2),
    **{op: Case(plain(op), BOOL, 2) for op in ("logical_and", "logical_or", "logical_xor")},
    **{op: Case(plain(op), (*INTEGERS, "bool"), 2) for op in ("bitwise_and", "bitwise_or", "bitwise_xor")},
    **{op: Case(plain(op), INTEGERS, 2, natural=True) for op in ("left_shift", "right_shift")},
    **{op: Case(plain(op), ANY, 2) for op in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")},
    "clip": Case(plain("clip", min=1.0, max=3.0), NUMBERS),
    # Of narrower floats a level or a neighbour is lost where NumPy rounds at every step.
    "absmax_quantize": Case(lambda b, x: b.ops("absmax_quantize", x, axes=(1, 3)), ("float32",)),
    "round_float8": Case(plain("round_float8"), ("float32",)),
    "leaky_relu": Case(plain("leaky_relu", alpha=0.25), FLOATS),
    "prelu": Case(plain("prelu"), FLOATS, 2),
    **{f"cast to {dtype}": Case(plain("cast", dtype=dtype), ANY, unsigned=dtype in dtypes.UNSIGNED) for dtype in DTYPES},
    "bitcast to int32": Case(plain("bitcast", dtype="int32"), ("float32", "int32")),
    "bitcast to float32": Case(plain("bitcast", dtype="float32"), ("int32",), low=1 << 29, high=1 << 30),
    "select": Case(_select, ANY, 2),
    "softmax": Case(plain("softmax", axis=1), FLOATS),
    "log_softmax": Case(plain("log_softmax", axis=1), FLOATS),
    "gather": Case(_gather, ANY),
    "gather indices": Case(_gather_at, INTEGERS, low=0, high=8),
    **{f"one_hot of {dtype}": Case(plain("one_hot", depth=5, dtype=dtype), INTEGERS, low=-2) for dtype in DTYPES},
    "dense": Case(lambda b, x: b.op("dense", x, weights(b, x, 2, 3), weights(b, x, 3)), NUMBERS, shape=(5, 2)),
    "matmul": Case(plain("matmul", transpose_b=True), NUMBERS, 2, shape=(2, 3, 4)),
    "matmul constant": Case(lambda b, x: b.op("matmul", x, weights(b, x, 4, 3)), NUMBERS, shape=(2, 3, 4)),
    "layer_norm": Case(
        lambda b, x: b.op("layer_norm", x, weights(b, x, 2), weights(b, x, 2), axes=(3,), epsilon=1e-3), FLOATS
    ),
    "rms_norm": Case(lambda b, x: b.op("rms_norm", x, weights(b, x, 2), axes=(3,), epsilon=1e-3), FLOATS),
    "rms_norm of the first axes": Case(lambda b, x: b.op("rms_norm", x, None, axes=(1, 2), epsilon=1e-3), FLOATS),
    "attention": Case(_attention, FLOATS, 3, shape=(2, 5, 8), low=-1, high=1),
    "conv": Case(_conv, NUMBERS),
    "depthwise_conv": Case(lambda b, x: b.op("depthwise_conv", x, weights(b, x, 2, 2, 2, 1), **_WINDOW), NUMBERS),
    "conv_transpose": Case(_conv_transpose, NUMBERS),
    "max_pool": Case(lambda b, x: [b.op("max_pool", x, **_POOL), b.op("max_pool", x, **_PADDED)], NUMBERS),
    "avg_pool": Case(lambda b, x: [b.op("avg_pool", x, **_POOL), b.op("avg_pool", x, **_PADDED)], NUMBERS),
    "avg_pool of three": Case(
        plain("avg_pool", window=(3, 1), strides=(1, 1), padding=((0, 0), (0, 0))), NUMBERS, shape=(1, 32, 32, 3),
        low=-90, high=90,
    ),
    **{f"reduce_{op}": Case(_reduce(f"reduce_{op}"), ANY) for op in ("sum", "max", "min")},
    "reduce_prod": Case(_reduce("reduce_prod"), ANY, low=1, high=3, shape=(2, 2, 2, 2)),
    "reduce_mean": Case(_reduce("reduce_mean"), NUMBERS),
    **{f"reduce_{op}": Case(_reduce(f"reduce_{op}"), BOOL) for op in ("any", "all")},
    **{f"{op} as {dtype}": Case(plain(op, axis=1, dtype=dtype), ANY) for op in ("argmax", "argmin") for dtype in INTEGERS},
    "cumsum": Case(_cumsum, NUMBERS),
    "resize": Case(plain("resize", size=(8, 7), method="nearest"), NUMBERS),
    # Blending equal integers may fall short of them by a rounding, in float32, before it is truncated.
    "resize bilinear": Case(plain("resize", size=(8, 7), method="bilinear"), NUMBERS, slack=1),
    "reshape": Case(plain("reshape", shape=(4, 4, 4)), ANY),
    "expand_dims": Case(plain("expand_dims", axes=(1,)), ANY),
    "squeeze": Case(plain("squeeze", axes=(0, 2)), ANY, shape=(1, 4, 1)),
    "transpose": Case(plain("transpose", perm=(0, 3, 1, 2)), ANY),
    "concat": Case(plain("concat", axis=3), ANY, 2),
    "split": Case(lambda b, x: b.ops("split", x, axis=1, sizes=(1, 3)), ANY),
    "slice": Case(_slices, ANY),
    "pad": Case(_pads, ANY),
    "tile": Case(plain("tile", multiples=(1, 2, 1, 3)), ANY),
    "broadcast_to": Case(plain("broadcast_to", shape=(3, 2, 4)), ANY, shape=(2, 1)),
    "reverse": Case(plain("reverse", axes=(1, 2)), ANY),
    "shape": Case(plain("shape"), ANY),
    # Of 15 numbers in rows of 40 some are equal: the one that comes first comes first.
    "top_k": Case(_top_k, ANY, shape=(3, 40)),
}  # fmt: skip


def op_of(case: str) -> str:
    """The op that a case of that name tries: ``cast`` of ``cast to int8``."""
    return case.split(maxsplit=1)[0]


def arrays_of(case: Case, dtype: str) -> list[Array]:
    random = np.random.default_rng(1)
    arrays = []
    for index in range(case.inputs):
        low = 1 if case.natural and index else case.low
        low = max(low, 0) if dtype in (*dtypes.UNSIGNED, "bool") or case.unsigned else low
        high = min(case.high, 4) if case.natural and index else case.high
        if dtype in FLOATS:
            array = np.round(random.uniform(low, high, case.shape) * 16) / 16  # exact in bfloat16
        else:
            array = random.integers(int(low), int(high), case.shape)
        arrays.append(array.astype(dtypes.numpy_dtype(dtype)))
    return arrays


def compare(result: Array, truth: Array, dtype: str, slack: int) -> None:
    """``dtype`` is the narrowest float in the computation."""
    assert result.shape == truth.shape
    if truth.dtype.kind != "f":
        assert result.dtype == truth.dtype
        if slack:
            assert np.abs(result.astype(np.int64) - truth.astype(np.int64)).max() <= slack
        else:
            np.testing.assert_array_equal(result, truth)
        return
    # Narrow floats are computed in float32 and rounded once; NumPy rounds at every step.
    tolerance = {"float16": 4e-3, "bfloat16": 2e-2}.get(dtype, 2e-6)
    span = max(float(np.abs(truth).max()), 1e-6)
    np.testing.assert_allclose(
        result.astype(np.float64), truth.astype(np.float64), rtol=0, atol=tolerance * span
    )


#: Ops that are exact for integers of any size, and the dtypes in which they are not: those are computed in int32 or
#: float32 (legalize/dtypes.py says why that will do), or summed in their own width where NumPy has a wider one.
EXACT: dict[str, tuple[str, ...]] = {
    **dict.fromkeys([
        "abs", "neg", "sign", "square", "relu", "relu6", "identity", "add", "mul", "maximum", "minimum", "sub",
        "squared_difference", "bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift", "equal", "not_equal", "less", "less_equal",
        "greater", "greater_equal", "clip", "select", "gather", "reduce_sum", "reduce_max", "reduce_min", "reduce_prod",
        "cumsum", "top_k", "reshape", "transpose", "concat", "split", "slice", "pad", "tile", "broadcast_to", "reverse",
    ], ()),
    **{f"cast to {dtype}": () for dtype in (*INTEGERS, "bool", "float32", "float64")},
    "mod": ("uint64",),
    "div": ("int64", "uint32", "uint64"),
    "floor_div": ("int64", "uint32", "uint64"),
    "argmax as int32": ("int64", "uint32", "uint64"),
    "argmin as int32": ("int64", "uint32", "uint64"),
    "reduce_mean": ("int64", "uint64"),
    "max_pool": ("int32", "int64", "uint32", "uint64"),
    "resize": ("int32", "int64", "uint32", "uint64"),
}  # fmt: skip


def to_their_ends(case: Case, dtype: str) -> list[Array]:
    random, limits = np.random.default_rng(2), np.iinfo(dtype)
    arrays = [
        random.integers(limits.min, limits.max, case.shape, dtype, endpoint=True) for _ in range(case.inputs)
    ]
    for array in arrays:
        array.flat[:2] = limits.min, limits.max
    if case.natural:
        arrays[1] = random.integers(1, 4, case.shape, dtype)
    return arrays
