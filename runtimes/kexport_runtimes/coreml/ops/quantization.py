"""Activations as integers and back. Source: coremltools 9.0, mil/ops/defs/iOS17/quantization_ops.py."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kexport_runtimes.coreml import dtypes
from kexport_runtimes.coreml.ops.arguments import axis_of
from kexport_runtimes.coreml.registry import op

Array = NDArray[Any]


@op("quantize", since="iOS17")
def quantize(
    input: Array, scale: Array, output_dtype: str, zero_point: Array | None = None, axis: Any = None
) -> Any:
    """round(input / scale) + zero_point, within the type; halves go to even."""
    limits = np.iinfo(dtypes.by_name(output_dtype).numpy)
    whole = np.rint(input / along(scale, input, axis))
    if zero_point is not None:
        whole = whole + along(zero_point, input, axis).astype(np.float32)
    return np.clip(np.nan_to_num(whole), limits.min, limits.max).astype(limits.dtype)


@op("dequantize", since="iOS17")
def dequantize(input: Array, scale: Array, zero_point: Array | None = None, axis: Any = None) -> Array:
    """scale (input - zero_point)."""
    return affine(input, scale, zero_point, axis)


def affine(data: Array, scale: Array, zero_point: Array | None, axis: Any) -> Array:
    """scale (data - zero_point), with one of each, or one for each entry of an axis."""
    wide = data.astype(np.float32)
    if zero_point is not None:
        wide = wide - along(zero_point, data, axis).astype(np.float32)
    result: Array = wide * along(scale, data, axis)
    return result


def along(values: Array, data: Array, axis: Any) -> Array:
    """A vector shaped to broadcast along an axis of ``data``; a scalar as it is."""
    if values.ndim != 1:
        return values
    shape = [1] * data.ndim
    shape[axis_of(axis, data.ndim)] = len(values)
    return values.reshape(shape)
