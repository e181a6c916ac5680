"""What quantized layers do to their inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kexport.ir import dtypes
from kexport.ir.graph import Array, Attrs, TensorType
from kexport.ir.ops._registry import REQUIRED, Inputs, OpError, op, required

#: float8_e4m3fn (Micikevicius et al., 2022, arXiv:2209.05433): 3 fraction bits, the least normal exponent, the largest number.
FLOAT8_FRACTION_BITS = 3
FLOAT8_LEAST_EXPONENT = -6
FLOAT8_MAX = 448.0


def _levels_type(inputs: Inputs, attrs: Attrs) -> list[TensorType]:
    x, axes = required(inputs, 0), attrs["axes"]
    if not dtypes.is_float(x.dtype) or not all(0 <= axis < x.rank for axis in axes):
        raise OpError(f"absmax_quantize takes floats and axes of theirs. Received: {x!r}, axes={axes}")
    return [x.type, TensorType(x.dtype, tuple(1 if i in axes else dim for i, dim in enumerate(x.shape)))]


@op(
    "absmax_quantize", infer=_levels_type, attrs={"axes": REQUIRED, "low": -127, "high": 127, "epsilon": 1e-7}
)
def absmax_quantize(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """``(levels, scale)`` of a float x: ``scale = high / (max |x| + epsilon)`` over ``axes``, which stay as 1; ``levels =
    clip(round(x * scale), low, high)``, halves to even, whole numbers in x's dtype and shape.

    Keras's ``abs_max_quantize`` (keras/src/quantizers/quantizers.py, 3.15).
    """
    (x,) = inputs
    peak = np.max(np.abs(x), axis=attrs["axes"], keepdims=True)
    scale = (x.dtype.type(attrs["high"]) / (peak + x.dtype.type(attrs["epsilon"]))).astype(x.dtype)
    return [np.clip(np.round(x * scale), attrs["low"], attrs["high"]).astype(x.dtype), scale]


def _float_type(inputs: Inputs, attrs: Attrs) -> list[TensorType]:
    x = required(inputs, 0)
    if not dtypes.is_float(x.dtype):
        raise OpError(f"round_float8 takes floats. Received: {x!r}")
    return [x.type]


@op("round_float8", infer=_float_type)
def round_float8(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """The nearest number of float8_e4m3fn, halves to even, in x's dtype; x is within -448..448.

    A number of exponent e is a multiple of ``2^(max(e, -6) - 3)``.
    """
    (x,) = inputs
    _, exponent = np.frexp(x)  # |x| = m * 2^exponent with m in [1/2, 1)
    quantum = np.ldexp(
        np.ones((), x.dtype), np.maximum(exponent - 1, FLOAT8_LEAST_EXPONENT) - FLOAT8_FRACTION_BITS
    )
    return [(np.round(x / quantum) * quantum).astype(x.dtype, copy=False)]
