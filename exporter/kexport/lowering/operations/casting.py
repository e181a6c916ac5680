"""Casts."""

from __future__ import annotations

import numpy as np

from kexport.ir import Value, dtypes
from kexport.lowering.operations.operands import arguments, cast, only, option, tensor
from kexport.lowering.registry import Context, lowers


@lowers("ops.Cast")
def lower_cast(ctx: Context, *inputs: Value) -> Value:
    """``x`` in ``dtype``; floats lose their fraction on the way to integers, and what is not 0 is True."""
    return cast(ctx, only(ctx), str(option(ctx, "dtype")))


@lowers("ops.ConvertToTensor", "ops.Array")
def lower_convert(ctx: Context, *inputs: Value) -> Value:
    """``x`` in ``dtype``, its own for None."""
    dtype = option(ctx, "dtype")
    return tensor(ctx, arguments(ctx, "x")[0], None if dtype is None else str(dtype))


@lowers("ops.SaturateCast")
def lower_saturate_cast(ctx: Context, *inputs: Value) -> Value:
    """``x`` clipped to what integers of ``dtype`` hold, in ``dtype``."""
    x, dtype = only(ctx), str(option(ctx, "dtype"))
    if not dtypes.is_integer(dtype) or x.dtype == "bool":
        return cast(ctx, x, dtype)
    limits = np.iinfo(dtype)
    low, high = float(limits.min), float(limits.max)
    if dtypes.is_float(x.dtype):
        # The limits of 32 and 64 bits are no float32s: the next ones within are the most that converts back.
        while float(np.float32(high)) > limits.max:
            high = float(np.nextafter(np.float32(high), np.float32(0)))
        return cast(ctx, ctx.b.op("clip", x, min=low, max=high), dtype)
    own = np.iinfo(x.dtype)
    bounded = ctx.b.op("maximum", x, ctx.b.scalar(max(limits.min, own.min), x))
    return cast(ctx, ctx.b.op("minimum", bounded, ctx.b.scalar(min(limits.max, own.max), x)), dtype)
