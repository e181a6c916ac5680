"""Loops over time, for lowering rules; how they are built stands in :mod:`kexport.ir.loops`."""

from __future__ import annotations

from collections.abc import Sequence

from kexport.ir import Shape, TensorType, Value, loops
from kexport.ir.loops import Step
from kexport.lowering.registry import Context


def scan(
    ctx: Context, sequences: Sequence[Value], states: Sequence[Value], step: Step
) -> tuple[list[Value], list[Value]]:
    """One ``scan`` whose body is what ``step`` builds; see :func:`kexport.ir.loops.scan`."""
    return loops.scan(ctx.b, sequences, states, step)


def zeros(ctx: Context, shape: Shape, dtype: str) -> Value:
    """Zeros of that shape, the batch known or not."""
    return loops.zeros(ctx.b, TensorType(dtype, shape))
