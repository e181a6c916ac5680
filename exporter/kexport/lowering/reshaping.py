"""Layers that move elements about: Flatten, Reshape, Permute, RepeatVector."""

from __future__ import annotations

from kexport.ir import Dim, Value, dims
from kexport.lowering.arguments import integer
from kexport.lowering.registry import Context, lowers


@lowers("Flatten")
def lower_flatten(ctx: Context, x: Value) -> Value:
    """(batch, ...) to (batch, product); with ``channels_first``, the channels go last before (Keras does so from rank 3)."""
    if ctx.layer.config.get("data_format") == "channels_first" and x.rank > 2:
        x = ctx.b.op("transpose", x, perm=(0, *range(2, x.rank), 1))
    flat = (x.shape[0], dims.product(x.shape[1:]))
    return x if x.shape == flat else ctx.b.op("reshape", x, shape=flat)


@lowers("Reshape")
def lower_reshape(ctx: Context, x: Value) -> Value:
    """(batch, ...) to (batch, *target_shape), one of which may be -1."""
    target = ctx.arg("target_shape")
    if not isinstance(target, list | tuple):
        target = [target]
    target = [-1 if size is None else size for size in target]
    if (
        any(isinstance(size, bool) or not isinstance(size, int) or size < -1 for size in target)
        or target.count(-1) > 1
    ):
        raise ctx.error(
            f"target_shape has positive integers and at most one -1. Received: {ctx.arg('target_shape')!r}"
        )
    total = dims.product(x.shape[1:])
    known = dims.product(tuple(size for size in target if size != -1))
    if -1 in target:
        rest = dims.exact_div(total, known)
        if rest is None and isinstance(total, int):
            raise ctx.error(
                f"target_shape {tuple(target)} holds the elements of its input. Received: {x.type}"
            )
        # A symbolic length that need not be a multiple: Keras too finds out when it runs.
        total = dims.floor_div(total, int(str(known))) if rest is None else rest
    elif isinstance(total, int) and known != total:
        raise ctx.error(f"target_shape {tuple(target)} holds the elements of its input. Received: {x.type}")
    shape: tuple[Dim, ...] = (x.shape[0], *(total if size == -1 else size for size in target))
    return x if x.shape == shape else ctx.b.op("reshape", x, shape=shape)


@lowers("Permute")
def lower_permute(ctx: Context, x: Value) -> Value:
    """Dimension i of the result is ``dims[i - 1]`` of the input; the batch stays."""
    wanted = ctx.arg("dims")
    if not isinstance(wanted, list | tuple) or sorted(wanted) != list(range(1, x.rank)):
        raise ctx.error(f"dims is a permutation of 1..{x.rank - 1}. Received: {wanted!r}")
    return ctx.b.op("transpose", x, perm=(0, *wanted))


@lowers("RepeatVector")
def lower_repeat_vector(ctx: Context, x: Value) -> Value:
    """(batch, features) to (batch, n, features)."""
    count = integer(ctx, "n")
    if x.rank != 2 or count < 1:
        raise ctx.error(f"It takes rank 2 and a positive n. Received: {x.type}, n={count}")
    column = ctx.b.op("expand_dims", x, axes=(1,))
    return column if count == 1 else ctx.b.op("tile", column, multiples=(1, count, 1))
