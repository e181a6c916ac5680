"""Linear maps along one axis of a tensor: what resampling and adaptive means are."""

from __future__ import annotations

import numpy as np

from kexport.ir import Value, dims
from kexport.ir.graph import Array
from kexport.lowering.registry import Context


def multiply_axis(ctx: Context, x: Value, matrix: Array, axis: int) -> Value:
    """``x`` with dimension ``axis`` replaced by ``matrix`` (out, in) times it; float tensors only.

    The last axis takes a ``dense``, the one before it a ``matmul`` from the left, any other the same with all that
    follows it laid out as one axis.
    """
    weights = np.asarray(matrix)
    if axis == x.rank - 1:
        kernel = ctx.b.constant(np.ascontiguousarray(weights.T), x.dtype, name="weights")
        return ctx.b.op("dense", x, kernel, None)
    factor = ctx.b.constant(weights, x.dtype, name="weights")
    if axis == x.rank - 2:
        return ctx.b.op("matmul", factor, x)
    shape = x.shape
    flat = ctx.b.op("reshape", x, shape=(*shape[: axis + 1], dims.product(shape[axis + 1 :])))
    mapped = ctx.b.op("matmul", factor, flat)
    return ctx.b.op("reshape", mapped, shape=(*shape[:axis], len(weights), *shape[axis + 1 :]))


def average_matrix(length: int, windows: list[tuple[int, int]]) -> Array:
    """(windows, length): row i takes the mean of elements ``windows[i]``, (start, end)."""
    matrix = np.zeros((len(windows), length))
    for row, (start, end) in zip(matrix, windows, strict=True):
        row[start:end] = 1 / (end - start)
    return matrix
