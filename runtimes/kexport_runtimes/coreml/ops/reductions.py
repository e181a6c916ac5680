"""Reductions over axes. Source: coremltools 9.0, mil/ops/defs/iOS15/reduction.py and iOS17/reduction.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kexport_runtimes.coreml import dtypes
from kexport_runtimes.coreml.ops.arguments import axes_of, axis_of
from kexport_runtimes.coreml.registry import op, register

Array = NDArray[Any]


def _log_sum_exp(x: Array, axis: tuple[int, ...], keepdims: bool) -> Any:
    top = np.max(x, axis=axis, keepdims=True)
    shift = np.where(np.isfinite(top), top, 0)
    total = np.log(np.sum(np.exp(x - shift), axis=axis, keepdims=True)) + shift
    return total if keepdims else np.squeeze(total, axis=axis)


_TABLE: dict[str, Callable[..., Any]] = {
    "reduce_l1_norm": lambda x, axis, keepdims: np.sum(np.abs(x), axis=axis, keepdims=keepdims),
    "reduce_l2_norm": lambda x, axis, keepdims: np.sqrt(np.sum(np.square(x), axis=axis, keepdims=keepdims)),
    "reduce_log_sum": lambda x, axis, keepdims: np.log(np.sum(x, axis=axis, keepdims=keepdims)),
    "reduce_log_sum_exp": _log_sum_exp,
    "reduce_max": np.max,
    "reduce_mean": np.mean,
    "reduce_min": np.min,
    "reduce_prod": np.prod,
    "reduce_sum": np.sum,
    "reduce_sum_square": lambda x, axis, keepdims: np.sum(np.square(x), axis=axis, keepdims=keepdims),
}


def _of_table(compute: Callable[..., Any]) -> Callable[..., Any]:
    def kernel(x: Array, axes: Array | None = None, keep_dims: bool | Array = False) -> Any:
        result = np.asarray(compute(x, axis=axes_of(axes, x.ndim), keepdims=bool(keep_dims)))
        return result.astype(x.dtype) if x.dtype.kind in "iu" else result

    return kernel


for _name, _compute in _TABLE.items():
    register(_name, _of_table(_compute))


def _position(compute: Callable[..., Any], x: Array, axis: Any, keep_dims: Any, dtype: str) -> Any:
    found = compute(x, axis=axis_of(axis, x.ndim), keepdims=bool(keep_dims))
    return np.asarray(found).astype(dtypes.by_name(dtype).numpy)


@op("reduce_argmax")
def argmax(
    x: Array, axis: int | Array = -1, keep_dims: bool | Array = False, output_dtype: str = "int32"
) -> Any:
    """Where the largest element is; the first of equal ones."""
    return _position(np.argmax, x, axis, keep_dims, output_dtype)


@op("reduce_argmin")
def argmin(
    x: Array, axis: int | Array = -1, keep_dims: bool | Array = False, output_dtype: str = "int32"
) -> Any:
    """Where the smallest element is; the first of equal ones."""
    return _position(np.argmin, x, axis, keep_dims, output_dtype)
