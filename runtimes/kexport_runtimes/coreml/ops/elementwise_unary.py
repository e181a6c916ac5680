"""Operations on one tensor, element by element. Source: coremltools 9.0, mil/ops/defs/iOS15/elementwise_unary.py."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kexport_runtimes.coreml import dtypes
from kexport_runtimes.coreml.errors import ComputeError
from kexport_runtimes.coreml.program import TensorType
from kexport_runtimes.coreml.registry import Call, op, register

Array = NDArray[Any]


def erf(x: Array) -> Array:
    """The error function; SciPy's where it is installed."""
    try:
        from scipy.special import erf as compute
    except ImportError:
        compute = np.vectorize(math.erf, otypes=[np.float64])
    found: Array = np.asarray(compute(x)).astype(x.dtype)
    return found


_TABLE: dict[str, Callable[[Array], Any]] = {
    "abs": np.abs,
    "acos": np.arccos,
    "asin": np.arcsin,
    "atan": np.arctan,
    "atanh": np.arctanh,
    "ceil": np.ceil,
    "cos": np.cos,
    "cosh": np.cosh,
    "erf": erf,
    "exp": np.exp,
    "exp2": np.exp2,
    "floor": np.floor,
    "logical_not": np.logical_not,
    "round": np.rint,  # halves to even
    "sign": np.sign,
    "sin": np.sin,
    "sinh": np.sinh,
    "sqrt": np.sqrt,
    "square": np.square,
    "tan": np.tan,
    "tanh": np.tanh,
}


def _of_table(compute: Callable[[Array], Any]) -> Callable[[Array], Any]:
    def kernel(x: Array) -> Any:
        result = np.asarray(compute(x))
        # exp2 and ceil of integers are floats to NumPy, integers to MIL.
        return result.astype(x.dtype) if x.dtype.kind in "iu" and result.dtype.kind == "f" else result

    return kernel


for _name, _compute in _TABLE.items():
    register(_name, _of_table(_compute))


@op("inverse")
def inverse(x: Array, epsilon: float | Array = 1e-4) -> Any:
    """1 / (x + epsilon)."""
    return np.reciprocal(x + np.float32(epsilon))


@op("log")
def log(x: Array, epsilon: float | Array = 1e-45) -> Any:
    """The logarithm of x + epsilon."""
    return np.log(x + np.float32(epsilon))


@op("rsqrt")
def rsqrt(x: Array, epsilon: float | Array = 1e-12) -> Any:
    """1 / √(x + epsilon)."""
    return np.reciprocal(np.sqrt(x + np.float32(epsilon)))


@op("clip")
def clip(x: Array, alpha: Array, beta: Array) -> Any:
    """x within alpha..beta."""
    return np.minimum(np.maximum(x, alpha.astype(x.dtype)), beta.astype(x.dtype))


@op("threshold")
def threshold(x: Array, alpha: Array) -> Any:
    """x, at least alpha."""
    return np.maximum(x, alpha.astype(x.dtype))


@op("cast")
def cast(call: Call, x: Array, dtype: str) -> Array:
    """x in another element type: floats are truncated to integers, NaN is 0, what is beyond the type's range its bound."""
    target = dtypes.by_name(dtype)
    (declared,) = call.types
    if not isinstance(declared, TensorType) or declared.dtype is not target:
        raise ComputeError(f"casts to {dtype}. The program declares: {declared}")
    if x.dtype.kind == "f" and np.dtype(target.numpy).kind in "iu":
        limits = np.iinfo(target.numpy)
        whole = np.trunc(np.nan_to_num(x.astype(np.float64), nan=0.0, posinf=limits.max, neginf=limits.min))
        return np.clip(whole, limits.min, limits.max).astype(target.numpy)
    return x.astype(target.numpy)
