"""Reductions, arg-reductions and running sums."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kexport.ir.graph import Array, Attrs, TensorType
from kexport.ir.ops._registry import REQUIRED, Inputs, OpError, op, register, required


def _reduced(inputs: Inputs, attrs: Attrs) -> list[TensorType]:
    x, axes = required(inputs, 0), attrs["axes"]
    if len(set(axes)) != len(axes) or not all(0 <= axis < x.rank for axis in axes):
        raise OpError(f"axes are distinct and within 0..{x.rank - 1}. Received: {axes}")
    if attrs["keepdims"]:
        return [TensorType(x.dtype, tuple(1 if i in axes else d for i, d in enumerate(x.shape)))]
    return [TensorType(x.dtype, tuple(d for i, d in enumerate(x.shape) if i not in axes))]


def _reduce(function: Callable[..., Any]) -> Callable[[Sequence[Any], Attrs], list[Array]]:
    def compute(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
        (x,) = inputs
        return [
            np.asarray(function(x, axis=tuple(attrs["axes"]), keepdims=attrs["keepdims"])).astype(x.dtype)
        ]

    return compute


_REDUCTIONS: dict[str, Callable[..., Any]] = {
    "reduce_sum": np.sum,
    "reduce_mean": np.mean,
    "reduce_max": np.max,
    "reduce_min": np.min,
    "reduce_prod": np.prod,
    "reduce_any": np.any,
    "reduce_all": np.all,
}
for _name, _function in _REDUCTIONS.items():
    register(
        _name,
        attrs={"axes": REQUIRED, "keepdims": False},
        infer=_reduced,
        compute=_reduce(_function),
        doc="Over ``axes`` (a tuple, none negative); reduced dimensions go, or stay as 1 with ``keepdims``.",
    )


def _arg_type(inputs: Inputs, attrs: Attrs) -> list[TensorType]:
    ((reduced),) = _reduced(inputs, {"axes": (attrs["axis"],), "keepdims": False})
    return [TensorType(attrs["dtype"], reduced.shape)]


@op("argmax", infer=_arg_type, attrs={"axis": REQUIRED, "dtype": "int32"})
def argmax(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """The index of the first maximum along ``axis``."""
    return [np.argmax(inputs[0], axis=attrs["axis"]).astype(attrs["dtype"])]


@op("argmin", infer=_arg_type, attrs={"axis": REQUIRED, "dtype": "int32"})
def argmin(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """The index of the first minimum along ``axis``."""
    return [np.argmin(inputs[0], axis=attrs["axis"]).astype(attrs["dtype"])]


def _cumsum_type(inputs: Inputs, attrs: Attrs) -> list[TensorType]:
    return [required(inputs, 0).type]


@op("cumsum", infer=_cumsum_type, attrs={"axis": REQUIRED, "exclusive": False, "reverse": False})
def cumsum(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """The running sum along ``axis``, from the end with ``reverse``, without the element itself with ``exclusive``."""
    (x,) = inputs
    axis = attrs["axis"]
    ordered = np.flip(x, axis) if attrs["reverse"] else x
    total = np.cumsum(ordered, axis=axis, dtype=x.dtype)
    if attrs["exclusive"]:
        total = total - ordered
    return [np.flip(total, axis) if attrs["reverse"] else total]
