"""Arguments of spatial layers in one form: an integer, or a pair, for each spatial dimension."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kexport.ir import Value, dtypes
from kexport.ir.ops.convolution import channel_axis, spatial_axes
from kexport.lowering.registry import Context


def per_dimension(ctx: Context, name: str, rank: int, default: Any = None) -> tuple[int, ...]:
    """The argument ``name`` as ``rank`` integers; a single one stands for all, None for ``default``.

    Raises:
        LoweringError: it is neither an integer nor ``rank`` of them.
    """
    given = ctx.arg(name)
    given = default if given is None else given
    if isinstance(given, int):
        return (given,) * rank
    if (
        not isinstance(given, Sequence)
        or len(given) != rank
        or not all(isinstance(item, int) for item in given)
    ):
        raise ctx.error(f"{name} is an integer or {rank} of them. Received: {given!r}")
    return tuple(given)


def pairs(ctx: Context, name: str, rank: int) -> tuple[tuple[int, int], ...]:
    """The argument ``name`` as (before, after) a spatial dimension.

    Keras takes an integer (both sides of every dimension), an integer a dimension (both its sides), or a pair a
    dimension; in one dimension two integers are the pair itself.

    Raises:
        LoweringError: it is none of these, or holds a negative number.
    """
    given = ctx.arg(name)
    if isinstance(given, int):
        given = [given] * rank
    if rank == 1 and isinstance(given, Sequence) and len(given) == 2:
        given = [given]
    if not isinstance(given, Sequence) or len(given) != rank:
        raise ctx.error(f"{name} is an integer, {rank} integers or {rank} pairs. Received: {ctx.arg(name)!r}")
    both = [[item, item] if isinstance(item, int) else list(item) for item in given]
    if not all(len(pair) == 2 and all(isinstance(n, int) and n >= 0 for n in pair) for pair in both):
        raise ctx.error(f"{name} holds integers from 0 up. Received: {ctx.arg(name)!r}")
    return tuple((before, after) for before, after in both)


def data_format(ctx: Context) -> str:
    """``channels_last`` or ``channels_first``; layers without the argument (UpSampling1D) are ``channels_last``.

    Raises:
        LoweringError: it is something else.
    """
    given = ctx.layer.config.get("data_format") or "channels_last"
    if given not in ("channels_last", "channels_first"):
        raise ctx.error(f"data_format is 'channels_last' or 'channels_first'. Received: {given!r}")
    return str(given)


def spatial_of(ctx: Context, x: Value, rank: int) -> tuple[int, ...]:
    """The axes of the ``rank`` spatial dimensions of ``x``.

    Raises:
        LoweringError: ``x`` does not have a batch, that many spatial dimensions and channels.
    """
    if x.rank != rank + 2:
        raise ctx.error(f"The input has a batch, {rank} spatial dimensions and channels. Received: {x.type}")
    return tuple(spatial_axes(x.rank, data_format(ctx)))


def channels_of(ctx: Context, x: Value) -> int:
    """The number of channels of ``x``.

    Raises:
        LoweringError: it is not known.
    """
    channels = x.shape[channel_axis(x.rank, data_format(ctx))]
    if not isinstance(channels, int):
        raise ctx.error(f"The number of channels must be known. Received: {x.type}")
    return channels


def as_float(ctx: Context, x: Value) -> Value:
    """``x``, or where it holds integers, ``x`` in the compute dtype (to which the driver has cast floats)."""
    return x if dtypes.is_float(x.dtype) else ctx.b.op("cast", x, dtype=ctx.compute_dtype)
