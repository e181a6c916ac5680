"""Tensors whose shape or numbers are open lengths, out of ops that know lengths when they run."""

from __future__ import annotations

from kexport.ir import Builder, Value, dims
from kexport.loading.spec import Filled, Length


def filled(b: Builder, item: Filled) -> Value:
    """One number throughout, or 0, 1, 2, … times a number."""
    one = b.constant(item.number, item.dtype, name="number")
    if dims.is_static(item.shape) and not item.shape:
        return one
    whole = b.op("broadcast_to", one, shape=item.shape)
    if not item.counted:
        return whole
    axis = next(axis for axis, dim in enumerate(item.shape) if dim != 1)
    return b.op("cumsum", whole, axis=axis, exclusive=True)


def length(b: Builder, item: Length) -> Value:
    """A length as a number, in an integer or float dtype: the sum of that many ones, counted in int32."""
    ones = b.op("broadcast_to", b.constant(1, "int32", name="one"), shape=(item.dim,))
    total = b.op("reduce_sum", ones, axes=(0,))
    return total if item.dtype == "int32" else b.op("cast", total, dtype=item.dtype)
