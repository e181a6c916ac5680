"""Matrix products. Source: coremltools 9.0, mil/ops/defs/iOS15/linear.py."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kexport_runtimes.coreml.ops.arguments import several
from kexport_runtimes.coreml.registry import Call, op
from kexport_runtimes.coreml.values import checked_size

Array = NDArray[Any]


@op("linear")
def linear(x: Array, weight: Array, bias: Array | None = None) -> Any:
    """x weightᵀ + bias, for a weight of shape (out, in)."""
    checked_size([*x.shape[:-1], len(weight)])
    product = np.matmul(x, weight.T)
    return product if bias is None else product + bias


@op("matmul")
def matmul(
    call: Call, x: Array, y: Array, transpose_x: bool | Array = False, transpose_y: bool | Array = False
) -> Any:
    """The matrix product over the last two axes; the others broadcast. Vectors stay as they are.

    A constant of another type than the other tensor is taken in that one's.
    """
    if x.dtype != y.dtype:
        x, y = (x.astype(y.dtype), y) if "x" in call.constants else (x, y.astype(x.dtype))
    if transpose_x and x.ndim > 1:
        x = np.swapaxes(x, -1, -2)
    if transpose_y and y.ndim > 1:
        y = np.swapaxes(y, -1, -2)
    checked_size([*np.broadcast_shapes(x.shape[:-2], y.shape[:-2]), *x.shape[-2:-1], *y.shape[-1:]])
    return np.matmul(x, y)


@op("einsum")
def einsum(values: Any, equation: str) -> Any:
    """The sum of products that the equation says, of one or two tensors."""
    tensors = several(values)
    inputs, _, output = equation.replace(" ", "").partition("->")
    sizes = dict(
        zip(inputs.replace(",", ""), (size for tensor in tensors for size in tensor.shape), strict=True)
    )
    checked_size([sizes[letter] for letter in output])
    return np.einsum(equation, *tensors, optimize=True)
