"""Normalizations that targets have kernels for; batch normalization at inference is a ``mul`` and an ``add``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kexport.ir.graph import Array, Attrs, TensorType
from kexport.ir.ops._registry import REQUIRED, Inputs, OpError, op, optional, required


def _norm_type(inputs: Inputs, attrs: Attrs) -> list[TensorType]:
    """Of x, its scale and its offset."""
    x, axes = required(inputs, 0), attrs["axes"]
    if list(axes) != sorted(set(axes)) or not all(0 <= axis < x.rank for axis in axes):
        raise OpError(f"axes are ascending and within 0..{x.rank - 1}. Received: {axes}")
    wanted = tuple(x.shape[axis] for axis in axes)
    for value in (optional(inputs, 1), optional(inputs, 2)):
        if value is not None and value.shape != wanted:
            raise OpError(f"scale and offset have the shape of the axes, {wanted}. Received: {value!r}")
    return [x.type]


@op("layer_norm", infer=_norm_type, attrs={"axes": REQUIRED, "epsilon": REQUIRED})
def layer_norm(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """``(x, scale?, offset?)``: ``(x - mean) / sqrt(variance + epsilon) * scale + offset`` over ``axes``;
    scale and offset have the dimensions of the axes."""
    x, scale, offset = inputs[0], optional(inputs, 1), optional(inputs, 2)
    axes = tuple(attrs["axes"])
    centred = x - x.mean(axis=axes, keepdims=True)
    result = centred / np.sqrt(np.square(centred).mean(axis=axes, keepdims=True) + attrs["epsilon"])
    shape = [x.shape[axis] if axis in axes else 1 for axis in range(x.ndim)]
    result = result if scale is None else result * np.reshape(scale, shape)
    return [(result if offset is None else result + np.reshape(offset, shape)).astype(x.dtype, copy=False)]


@op("rms_norm", infer=_norm_type, attrs={"axes": REQUIRED, "epsilon": REQUIRED})
def rms_norm(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """``(x, scale?)``: ``x / sqrt(mean(x^2) + epsilon) * scale`` over ``axes``; the scale has the dimensions of the axes."""
    x, scale = inputs[0], optional(inputs, 1)
    axes = tuple(attrs["axes"])
    result = x / np.sqrt(np.square(x).mean(axis=axes, keepdims=True) + attrs["epsilon"])
    shape = [x.shape[axis] if axis in axes else 1 for axis in range(x.ndim)]
    return [(result if scale is None else result * np.reshape(scale, shape)).astype(x.dtype, copy=False)]
