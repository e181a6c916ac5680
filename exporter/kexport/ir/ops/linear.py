"""Dense layers and matrix products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kexport.ir.graph import Array, Attrs, TensorType
from kexport.ir.ops._registry import Inputs, OpError, op, optional, required
from kexport.ir.ops.convolution import aligned
from kexport.ir.ops.elementwise import broadcast_shapes


def _dense_type(inputs: Inputs, attrs: Attrs) -> list[TensorType]:
    x, kernel, bias = required(inputs, 0), required(inputs, 1), optional(inputs, 2)
    if kernel.rank != 2 or x.rank < 1 or x.shape[-1] != kernel.shape[0]:
        raise OpError(f"dense takes x(..., in) and a kernel (in, out). Received: {x!r}, {kernel!r}")
    if bias is not None and bias.shape != kernel.shape[1:]:
        raise OpError(f"The bias has shape (out,). Received: {bias!r}")
    return [TensorType(x.dtype, (*x.shape[:-1], kernel.shape[1]))]


@op("dense", infer=_dense_type, fusable=True)
def dense(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """``(x, kernel, bias?)``: x (..., in) times kernel (in, out) plus bias (out,); shape (..., out)."""
    x, kernel, bias = inputs[0], aligned(inputs[1]), optional(inputs, 2)
    result = np.matmul(x, kernel) if x.ndim > 1 else x @ kernel
    return [result if bias is None else result + bias]


def _matmul_type(inputs: Inputs, attrs: Attrs) -> list[TensorType]:
    a, b = required(inputs, 0), required(inputs, 1)
    if a.rank < 2 or b.rank < 2 or a.dtype != b.dtype:
        raise OpError(f"matmul takes two matrices or stacks of them, of one dtype. Received: {a!r}, {b!r}")
    rows, inner_a = a.shape[-2:] if not attrs["transpose_a"] else a.shape[:-3:-1]
    inner_b, columns = b.shape[-2:] if not attrs["transpose_b"] else b.shape[:-3:-1]
    if isinstance(inner_a, int) and isinstance(inner_b, int) and inner_a != inner_b:
        raise OpError(f"The inner dimensions agree. Received: {a!r}, {b!r}, {dict(attrs)}")
    return [TensorType(a.dtype, (*broadcast_shapes(a.shape[:-2], b.shape[:-2]), rows, columns))]


@op("matmul", infer=_matmul_type, attrs={"transpose_a": False, "transpose_b": False})
def matmul(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """``(a, b)``: the matrix product of the last two dimensions, each transposed first where asked; the dimensions
    before them broadcast."""
    a, b = inputs
    a = np.swapaxes(a, -1, -2) if attrs["transpose_a"] else a
    return [np.matmul(a, np.swapaxes(b, -1, -2) if attrs["transpose_b"] else b)]
