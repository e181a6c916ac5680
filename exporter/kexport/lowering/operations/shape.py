"""Operations that move elements about: reshape, transpose, concatenate and their like."""

from __future__ import annotations

from typing import Any

from kexport.ir import Dim, Value, dims
from kexport.lowering.arguments import normalized_axes, normalized_axis
from kexport.lowering.operations.operands import (
    arguments,
    full,
    option,
    promoted,
    reshaped,
    tensor,
    transposed,
)
from kexport.lowering.registry import Context, lowers


@lowers("ops.ExpandDims")
def lower_expand_dims(ctx: Context, *inputs: Value) -> Value:
    """``x`` with dimensions of 1 at ``axis`` of the result."""
    x, axis = tensor(ctx, arguments(ctx, "x")[0]), option(ctx, "axis")
    count = len(axis) if isinstance(axis, list | tuple) else 1
    return ctx.b.op("expand_dims", x, axes=normalized_axes(ctx, axis, x.rank + count))


@lowers("ops.Squeeze")
def lower_squeeze(ctx: Context, *inputs: Value) -> Value:
    """``x`` without its dimensions ``axis`` of 1, or without all that are known to be 1."""
    x, axis = tensor(ctx, arguments(ctx, "x")[0]), option(ctx, "axis")
    if axis is None:
        axes = tuple(index for index, dim in enumerate(x.shape) if dim == 1)
    else:
        axes = normalized_axes(ctx, axis, x.rank)
    return ctx.b.op("squeeze", x, axes=axes) if axes else x


@lowers("ops.Reshape")
def lower_reshape(ctx: Context, *inputs: Value) -> Value:
    """``x`` in ``newshape``, one of which may be -1."""
    x, wanted = tensor(ctx, arguments(ctx, "x")[0]), option(ctx, "newshape")
    return reshaped(ctx, x, whole_shape(ctx, x, wanted))


def whole_shape(ctx: Context, x: Value, wanted: Any) -> tuple[Dim, ...]:
    """``wanted`` with the length in place of its -1 (None means the same) that holds the elements of ``x``.

    Raises:
        LoweringError: it holds another number of elements.
    """
    sizes = [
        -1 if size is None else size for size in (wanted if isinstance(wanted, list | tuple) else [wanted])
    ]
    if (
        any(isinstance(size, bool) or not isinstance(size, int) or size < -1 for size in sizes)
        or sizes.count(-1) > 1
    ):
        raise ctx.error(f"A shape has integers and at most one -1. Received: {wanted!r}")
    total, known = dims.product(x.shape), dims.product(tuple(size for size in sizes if size != -1))
    rest = dims.exact_div(total, known)
    if rest is None or (-1 not in sizes and rest != 1):
        if isinstance(total, int) or known == 0 or -1 not in sizes:
            raise ctx.error(f"The shape {tuple(sizes)} holds the elements of its input. Received: {x.type}")
        # A symbolic length that need not be a multiple: Keras too finds out when it runs.
        rest = dims.floor_div(total, int(str(known)))
    return tuple(rest if size == -1 else size for size in sizes)


@lowers("ops.Transpose")
def lower_transpose(ctx: Context, *inputs: Value) -> Value:
    """``x`` with dimension ``axes[i]`` at i; turned round without ``axes``."""
    x, axes = tensor(ctx, arguments(ctx, "x")[0]), option(ctx, "axes")
    perm = (
        range(x.rank - 1, -1, -1) if axes is None else (normalized_axis(ctx, axis, x.rank) for axis in axes)
    )
    return transposed(ctx, x, tuple(perm))


@lowers("ops.Concatenate")
def lower_concatenate(ctx: Context, *inputs: Value) -> Value:
    """The tensors one after the other along ``axis``, in the dtype that all are promoted to."""
    values = promoted(ctx, *arguments(ctx, "xs")[0])
    axis = normalized_axis(ctx, option(ctx, "axis", 0), values[0].rank)
    return values[0] if len(values) == 1 else ctx.b.op("concat", *values, axis=axis)


_LIKE = {"OnesLike": 1, "ZerosLike": 0, "EmptyLike": 0}


@lowers(*(f"ops.{name}" for name in _LIKE))
def lower_like(ctx: Context, *inputs: Value) -> Value:
    """Ones, or zeros, in the shape of ``x``."""
    x, dtype = _like(ctx, *arguments(ctx, "x", "dtype"))
    return full(ctx, _LIKE[ctx.layer.class_name], dtype, x.shape)


def _like(ctx: Context, x: Any, dtype: Any) -> tuple[Value, str]:
    """A tensor, and the dtype that is asked for, in the call or before, else its own."""
    value = tensor(ctx, x)
    return value, str(dtype or option(ctx, "dtype") or value.dtype)
