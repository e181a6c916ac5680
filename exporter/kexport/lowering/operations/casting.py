"""Casts."""

from __future__ import annotations

from kexport.ir import Value
from kexport.lowering.operations.operands import arguments, cast, option, tensor
from kexport.lowering.registry import Context, lowers


@lowers("ops.Cast")
def lower_cast(ctx: Context, *inputs: Value) -> Value:
    """``x`` in ``dtype``; floats lose their fraction on the way to integers, and what is not 0 is True."""
    return cast(ctx, tensor(ctx, arguments(ctx, "x")[0]), str(option(ctx, "dtype")))
