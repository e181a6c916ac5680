"""Elementwise ops, most of them by table. Two inputs broadcast as in NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kexport.ir import dtypes
from kexport.ir.dims import Dim, Shape, format_shape
from kexport.ir.graph import Array, Attrs, TensorType
from kexport.ir.ops._registry import REQUIRED, Inputs, OpError, op, register, required

_erf = np.frompyfunc(math.erf, 1, 1)


def broadcast_shapes(left: Shape, right: Shape) -> Shape:
    """The shape of two operands together.

    Two different symbolic dimensions are taken to be equal (Keras checks that when it runs), the left one's
    name staying; a symbol beside an integer above 1 is that integer.
    """
    rank = max(len(left), len(right))
    padded = ((1,) * (rank - len(left)) + left, (1,) * (rank - len(right)) + right)
    return tuple(_broadcast_dims(a, b, left, right) for a, b in zip(*padded, strict=True))


def _broadcast_dims(a: Dim, b: Dim, left: Shape, right: Shape) -> Dim:
    if b in (a, 1):
        return a
    if a == 1:
        return b
    if isinstance(a, int) and isinstance(b, int):
        raise OpError(f"Shapes {format_shape(left)} and {format_shape(right)} do not broadcast.")
    return a if isinstance(a, int) else b if isinstance(b, int) else a


def _same(inputs: Inputs, attrs: Attrs) -> list[TensorType]:
    return [required(inputs, 0).type]


def _boolean(inputs: Inputs, attrs: Attrs) -> list[TensorType]:
    return [TensorType("bool", required(inputs, 0).shape)]


def _broadcast(inputs: Inputs, attrs: Attrs) -> list[TensorType]:
    left, right = required(inputs, 0), required(inputs, 1)
    if left.dtype != right.dtype:
        raise OpError(f"Both inputs have one dtype. Received: {left.dtype} and {right.dtype}")
    return [TensorType(left.dtype, broadcast_shapes(left.shape, right.shape))]


def _comparison(inputs: Inputs, attrs: Attrs) -> list[TensorType]:
    return [TensorType("bool", _broadcast(inputs, attrs)[0].shape)]


def _apply(function: Callable[..., Any]) -> Callable[[Sequence[Any], Attrs], list[Array]]:
    def compute(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
        result = np.asarray(function(*inputs))
        wanted = bool if result.dtype == bool else inputs[0].dtype
        return [result.astype(wanted, copy=False)]

    return compute


def sigmoid(x: Array) -> Array:
    """``1 / (1 + exp(-x))``, without overflow."""
    return np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))


def erf(x: Array) -> Array:
    """The error function, in double precision."""
    return np.asarray(_erf(np.asarray(x, np.float64)), np.float64)


_UNARY: dict[str, Callable[[Array], Array]] = {
    "abs": np.abs,
    "neg": np.negative,
    "sign": np.sign,
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "square": np.square,
    "reciprocal": lambda x: 1 / x,
    "floor": np.floor,
    "ceil": np.ceil,
    "round": np.round,
    "trunc": np.trunc,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "erf": erf,
    "sigmoid": sigmoid,
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "softplus": lambda x: np.logaddexp(x, 0),
    "silu": lambda x: x * sigmoid(x),
    "hard_swish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "logical_not": np.logical_not,
    "identity": lambda x: x,
}
for _name, _function in _UNARY.items():
    register(
        _name,
        infer=_same,
        compute=_apply(_function),
        doc=f"``{_name}(x)``, element by element; dtype and shape as x.",
    )

_TESTS: dict[str, Callable[[Array], Array]] = {"isnan": np.isnan, "isinf": np.isinf, "isfinite": np.isfinite}
for _name, _function in _TESTS.items():
    register(
        _name, infer=_boolean, compute=_apply(_function), doc=f"``{_name}(x)``, element by element; bool."
    )

_BINARY: dict[str, Callable[[Array, Array], Array]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "floor_div": lambda a, b: np.floor(a / b) if np.asarray(a).dtype.kind == "f" else np.floor_divide(a, b),
    "mod": np.mod,
    "pow": np.power,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "atan2": np.arctan2,
    "squared_difference": lambda a, b: np.square(a - b),
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "logical_xor": np.logical_xor,
    "bitwise_and": np.bitwise_and,
    "bitwise_or": np.bitwise_or,
    "bitwise_xor": np.bitwise_xor,
    "left_shift": np.left_shift,
    "right_shift": np.right_shift,
}
for _name, _function2 in _BINARY.items():
    register(
        _name,
        infer=_broadcast,
        compute=_apply(_function2),
        doc=f"``{_name}(a, b)``, broadcasting; one dtype throughout.",
        fusable=_name in ("add", "sub", "mul", "div"),
    )

_COMPARISONS: dict[str, Callable[[Array, Array], Array]] = {
    "equal": np.equal,
    "not_equal": np.not_equal,
    "less": np.less,
    "less_equal": np.less_equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
}
for _name, _function2 in _COMPARISONS.items():
    register(
        _name, infer=_comparison, compute=_apply(_function2), doc=f"``{_name}(a, b)``, broadcasting; bool."
    )


@op("clip", infer=_same, attrs={"min": -math.inf, "max": math.inf})
def clip(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """``min(max(x, attrs.min), attrs.max)``; an infinite bound is none."""
    (x,) = inputs
    return [np.clip(x, attrs["min"], attrs["max"]).astype(x.dtype, copy=False)]


@op("elu", infer=_same, attrs={"alpha": 1.0})
def elu(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """``x`` above 0, ``alpha * (exp(x) - 1)`` elsewhere."""
    (x,) = inputs
    return [np.where(x > 0, x, attrs["alpha"] * np.expm1(np.minimum(x, 0))).astype(x.dtype, copy=False)]


@op("leaky_relu", infer=_same, attrs={"alpha": REQUIRED})
def leaky_relu(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """``x`` above 0, ``alpha * x`` elsewhere."""
    (x,) = inputs
    return [np.where(x > 0, x, attrs["alpha"] * x).astype(x.dtype, copy=False)]


@op("gelu", infer=_same, attrs={"approximate": False})
def gelu(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """``x * Phi(x)``, Phi the normal distribution; with ``approximate`` its tanh form (Hendrycks and Gimpel, 2016)."""
    (x,) = inputs
    if attrs["approximate"]:
        inner = np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)
        return [(0.5 * x * (1 + np.tanh(inner))).astype(x.dtype, copy=False)]
    return [(0.5 * x * (1 + erf(x / np.sqrt(2)))).astype(x.dtype, copy=False)]


@op("prelu", infer=_broadcast)
def prelu(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """``(x, alpha)``: ``x`` above 0, ``alpha * x`` elsewhere; alpha broadcasts to x."""
    x, alpha = inputs
    return [np.where(x > 0, x, alpha * x).astype(x.dtype, copy=False)]


def _cast_type(inputs: Inputs, attrs: Attrs) -> list[TensorType]:
    if attrs["dtype"] not in dtypes.ALL:
        raise OpError(f"There is no dtype {attrs['dtype']!r}.")
    return [TensorType(attrs["dtype"], required(inputs, 0).shape)]


@op("cast", infer=_cast_type, attrs={"dtype": REQUIRED})
def cast(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """``x`` in another dtype; floats to integers truncate toward zero, anything to bool is ``x != 0``."""
    (x,) = inputs
    return [x.astype(dtypes.numpy_dtype(attrs["dtype"]))]


def _bitcast_type(inputs: Inputs, attrs: Attrs) -> list[TensorType]:
    x, dtype = required(inputs, 0), attrs["dtype"]
    kinds = (*dtypes.INTEGERS, "float16", "float32", "float64")
    if dtype not in kinds or x.dtype not in kinds or dtypes.itemsize(dtype) != dtypes.itemsize(x.dtype):
        raise OpError(f"bitcast is between numbers of as many bits. Received: {x!r} to {dtype!r}")
    return [TensorType(dtype, x.shape)]


@op("bitcast", infer=_bitcast_type, attrs={"dtype": REQUIRED})
def bitcast(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """The bits of ``x`` as another dtype of as many."""
    (x,) = inputs
    return [np.asarray(x, order="C").view(dtypes.numpy_dtype(attrs["dtype"]))]


def _select_type(inputs: Inputs, attrs: Attrs) -> list[TensorType]:
    condition, yes, no = (required(inputs, index) for index in range(3))
    if condition.dtype != "bool" or yes.dtype != no.dtype:
        raise OpError(f"select takes (bool, T, T). Received: {condition!r}, {yes!r}, {no!r}")
    return [TensorType(yes.dtype, broadcast_shapes(condition.shape, broadcast_shapes(yes.shape, no.shape)))]


@op("select", infer=_select_type)
def select(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """``(condition, a, b)``: a where the condition holds, else b; all three broadcast."""
    return [np.where(*inputs)]


def _axis_type(inputs: Inputs, attrs: Attrs) -> list[TensorType]:
    x = required(inputs, 0)
    axes = attrs["axis"] if isinstance(attrs["axis"], tuple) else (attrs["axis"],)
    if not all(0 <= axis < x.rank for axis in axes):
        raise OpError(f"axis is within 0..{x.rank - 1}. Received: {attrs['axis']}")
    return [x.type]


@op("softmax", infer=_axis_type, attrs={"axis": REQUIRED})
def softmax(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """``exp(x) / sum(exp(x))`` over ``axis`` (not negative)."""
    (x,) = inputs
    shifted = np.exp(x - x.max(axis=attrs["axis"], keepdims=True))
    return [(shifted / shifted.sum(axis=attrs["axis"], keepdims=True)).astype(x.dtype, copy=False)]


@op("log_softmax", infer=_axis_type, attrs={"axis": REQUIRED})
def log_softmax(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """``log(softmax(x))`` over ``axis`` (not negative)."""
    (x,) = inputs
    shifted = x - x.max(axis=attrs["axis"], keepdims=True)
    return [
        (shifted - np.log(np.exp(shifted).sum(axis=attrs["axis"], keepdims=True))).astype(x.dtype, copy=False)
    ]
