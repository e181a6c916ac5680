"""Hashing layers, of integers and text.

keras/src/layers/preprocessing/{hashing,hashed_crossing}.py, Keras 3.15.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kexport.ir import Value, dtypes
from kexport.ir.ops.hashing import MOST_BUCKETS
from kexport.lowering.arguments import integer
from kexport.lowering.encoding import encoded, output_mode, variable_dtype
from kexport.lowering.registry import Context, lowers


def _buckets(ctx: Context) -> int:
    count = integer(ctx, "num_bins")
    if not 0 < count <= MOST_BUCKETS:
        raise ctx.error(f"num_bins is from 1 to 2**46. Received: {count}")
    return count


def hashable(ctx: Context, x: Value, *, floats: bool) -> Value:
    """``x``, text or of an integer dtype that can be hashed; floats are truncated where ``floats`` allows them.

    Raises:
        LoweringError: it is bool, or of 64 bits without a sign.
    """
    if x.dtype == "string":
        return x
    if floats and dtypes.is_float(x.dtype):
        return ctx.b.op("cast", x, dtype="int64")
    if not dtypes.is_integer(x.dtype) or x.dtype == "uint64":
        raise ctx.error(
            f"It hashes text, and integers of up to 64 bits with a sign. Received: {x.type}",
            hint="Hash before the model: export the sub-model that begins after this layer, "
            "keras.Model(layer.output, model.outputs).",
        )
    return x


def salt(ctx: Context) -> tuple[int, int] | None:
    """The argument ``salt``, which one integer may stand twice for."""
    given: Any = ctx.layer.config.get("salt")
    if given is None:
        return None
    both = [given, given] if isinstance(given, int) else given
    if not isinstance(both, list | tuple) or len(both) != 2 or not all(type(part) is int for part in both):
        raise ctx.error(f"salt is an integer or two. Received: {given!r}")
    return both[0], both[1]


@lowers("Hashing")
def lower_hashing(ctx: Context, x: Value) -> Value:
    """The hash of each text, or of a number's decimal text, mod ``num_bins``; with a ``mask_value``, that is 0, and the others begin
    at 1."""
    mode, bins = output_mode(ctx), _buckets(ctx)
    numbers = hashable(ctx, x, floats=ctx.provenance.keras_major >= 3)
    mask = ctx.layer.config.get("mask_value") if bins > 1 else None
    found = ctx.b.op("hash_bucket", numbers, buckets=bins if mask is None else bins - 1, key=salt(ctx))
    if mask is not None:
        above = ctx.b.op("add", found, ctx.b.scalar(1, found))
        masked = ctx.b.op("equal", x, _mask(ctx, mask, x))
        found = ctx.b.op("select", masked, ctx.b.scalar(0, found), above)
    return encoded(ctx, found, mode, bins, variable_dtype(ctx))


def _mask(ctx: Context, given: Any, x: Value) -> Value:
    """The argument ``mask_value`` as a scalar of the dtype of ``x``."""
    if x.dtype == "string":
        if not isinstance(given, str):
            raise ctx.error(f"mask_value is text, as the input is. Received: {given!r}")
        return ctx.b.constant(np.asarray(given.encode(), object), "string", name="mask_value")
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise ctx.error(f"mask_value is a number. Received: {given!r}")
    return ctx.b.scalar(given, x)


@lowers("HashedCrossing")
def lower_hashed_crossing(ctx: Context, *inputs: Value) -> Value:
    """One hash of what two or more inputs hold, (batch,) or (batch, 1) each."""
    mode, bins = output_mode(ctx, ("int", "one_hot")), _buckets(ctx)
    first = inputs[0]
    fits = first.rank == 1 or (first.rank == 2 and first.shape[1] == 1)
    if len(inputs) < 2 or not fits or any(x.shape != first.shape for x in inputs):
        types = ", ".join(str(x.type) for x in inputs)
        raise ctx.error(f"It takes two inputs or more, (batch,) or (batch, 1) each. Received: {types}")
    wide = []
    for x in inputs:
        number = hashable(ctx, x, floats=False)
        wide.append(
            number if number.dtype in ("int64", "string") else ctx.b.op("cast", number, dtype="int64")
        )
    return encoded(ctx, ctx.b.op("cross_hash", *wide, buckets=bins), mode, bins, variable_dtype(ctx))
