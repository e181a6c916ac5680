"""Operations that give elements another order or shape."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from kexport.ir import Dim, Value, dims
from kexport.lowering.arguments import normalized_axes, normalized_axis
from kexport.lowering.operations.operands import (
    arguments,
    flattened,
    length,
    only,
    option,
    reduced_axes,
    reshaped,
    scalar_of,
    sliced,
    tensor,
    transposed,
)
from kexport.lowering.registry import Context, lowers


@lowers("ops.ExpandDims")
def lower_expand_dims(ctx: Context, *inputs: Value) -> Value:
    """``x`` with dimensions of 1 at ``axis`` of the result."""
    x, axis = only(ctx), option(ctx, "axis")
    count = len(axis) if isinstance(axis, list | tuple) else 1
    return ctx.b.op("expand_dims", x, axes=normalized_axes(ctx, axis, x.rank + count))


@lowers("ops.Squeeze")
def lower_squeeze(ctx: Context, *inputs: Value) -> Value:
    """``x`` without its dimensions ``axis`` of 1, or without all that are known to be 1."""
    x, axis = only(ctx), option(ctx, "axis")
    if axis is None:
        axes = tuple(index for index, dim in enumerate(x.shape) if dim == 1)
    else:
        axes = normalized_axes(ctx, axis, x.rank)
    return ctx.b.op("squeeze", x, axes=axes) if axes else x


@lowers("ops.Reshape")
def lower_reshape(ctx: Context, *inputs: Value) -> Value:
    """``x`` in ``newshape``, one of which may be -1."""
    x, wanted = only(ctx), option(ctx, "newshape")
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
        any(
            not isinstance(size, dims.Symbolic)
            and (isinstance(size, bool) or not isinstance(size, int) or size < -1)
            for size in sizes
        )
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
    x, axes = only(ctx), option(ctx, "axes")
    perm = (
        range(x.rank - 1, -1, -1) if axes is None else (normalized_axis(ctx, axis, x.rank) for axis in axes)
    )
    return transposed(ctx, x, tuple(perm))


@lowers("ops.Ravel")
def lower_ravel(ctx: Context, *inputs: Value) -> Value:
    """``x`` as one dimension."""
    return flattened(ctx, only(ctx))


@lowers("ops.Swapaxes", "ops.Moveaxis")
def lower_moved_axes(ctx: Context, *inputs: Value) -> Value:
    """``x`` with two axes in each other's place; with the axes ``source`` at ``destination``."""
    x = only(ctx)
    if ctx.layer.class_name == "Moveaxis":
        return moved(ctx, x, option(ctx, "source"), option(ctx, "destination"))
    perm = list(range(x.rank))
    first, second = (normalized_axis(ctx, option(ctx, name), x.rank) for name in ("axis1", "axis2"))
    perm[first], perm[second] = second, first
    return transposed(ctx, x, tuple(perm))


def moved(ctx: Context, x: Value, source: Any, destination: Any) -> Value:
    """``x`` with its axes ``source`` (one or several) at ``destination``, the others in their order around them."""
    pairs = [axes if isinstance(axes, list | tuple) else [axes] for axes in (source, destination)]
    sources, places = ([normalized_axis(ctx, axis, x.rank) for axis in axes] for axes in pairs)
    perm = [axis for axis in range(x.rank) if axis not in sources]
    for place, axis in sorted(zip(places, sources, strict=True)):
        perm.insert(place, axis)
    return transposed(ctx, x, tuple(perm))


@lowers("ops.BroadcastTo")
def lower_broadcast_to(ctx: Context, *inputs: Value) -> Value:
    """``x`` broadcast to ``shape``; -1 or None keeps a length."""
    x, wanted = only(ctx), list(option(ctx, "shape"))
    lead = len(wanted) - x.rank
    shape = tuple(
        x.shape[index - lead] if size in (-1, None) and index >= lead else size
        for index, size in enumerate(wanted)
    )
    return x if shape == x.shape else ctx.b.op("broadcast_to", x, shape=shape)


@lowers("ops.Flip", "ops.Fliplr", "ops.Flipud")
def lower_flip(ctx: Context, *inputs: Value) -> Value:
    """``x`` turned round along ``axis`` (all for None); ``Flipud`` along 0, ``Fliplr`` along 1."""
    x = only(ctx)
    axis = {"Fliplr": 1, "Flipud": 0}.get(ctx.layer.class_name, option(ctx, "axis"))
    return ctx.b.op("reverse", x, axes=reduced_axes(ctx, axis, x.rank))


@lowers("ops.Rot90")
def lower_rot90(ctx: Context, *inputs: Value) -> Value:
    """``k`` quarter turns from the first of ``axes`` toward the second: one swaps them and turns the first round."""
    x = only(ctx, "array")
    first, second = (normalized_axis(ctx, axis, x.rank) for axis in option(ctx, "axes", (0, 1)))
    turns = int(option(ctx, "k", 1)) % 4
    if turns == 2:
        return ctx.b.op("reverse", x, axes=tuple(sorted((first, second))))
    if turns == 0:
        return x
    perm = list(range(x.rank))
    perm[first], perm[second] = second, first
    return ctx.b.op("reverse", transposed(ctx, x, tuple(perm)), axes=(first if turns == 1 else second,))


@lowers("ops.Roll")
def lower_roll(ctx: Context, *inputs: Value) -> Value:
    """Element i of ``axis`` at ``i + shift``, what goes beyond the end at the front; None: of the flattened x."""
    x, shift, axis = only(ctx), option(ctx, "shift"), option(ctx, "axis")
    if axis is None:
        return reshaped(ctx, _rolled(ctx, flattened(ctx, x), 0, int(shift)), x.shape)
    shifts, axes = (item if isinstance(item, list | tuple) else [item] for item in (shift, axis))
    for index, amount in zip(axes, shifts, strict=True):
        x = _rolled(ctx, x, normalized_axis(ctx, index, x.rank), int(amount))
    return x


def _rolled(ctx: Context, x: Value, axis: int, shift: int) -> Value:
    dim = x.shape[axis]
    shift = shift % dim if isinstance(dim, int) else shift
    if shift == 0:
        return x
    return ctx.b.op("concat", sliced(ctx, x, axis, -shift, None), sliced(ctx, x, axis, 0, -shift), axis=axis)


@lowers("ops.Pad")
def lower_pad(ctx: Context, *inputs: Value) -> Value:
    """``pad_width`` elements before and after each dimension: ``constant_values``, or mirrored."""
    given, fill = arguments(ctx, "x", "constant_values")
    x, mode = tensor(ctx, given), str(option(ctx, "mode", "constant"))
    widths = np.broadcast_to(np.asarray(option(ctx, "pad_width")), (x.rank, 2)).tolist()
    number = 0 if fill is None else scalar_of(ctx, fill)
    if mode not in ("constant", "reflect", "symmetric"):
        raise ctx.error(f"mode is 'constant', 'reflect' or 'symmetric'. Received: {mode!r}")
    return ctx.b.op("pad", x, pads=tuple((int(a), int(b)) for a, b in widths), mode=mode, value=number)


@lowers("ops.Tile")
def lower_tile(ctx: Context, *inputs: Value) -> Value:
    """``x`` repeated ``repeats`` times along each dimension; the shorter of shape and repeats has ones before it."""
    x, repeats = only(ctx), option(ctx, "repeats")
    times = [int(item) for item in (repeats if isinstance(repeats, list | tuple) else [repeats])]
    times = [1] * (x.rank - len(times)) + times
    x = reshaped(ctx, x, (1,) * (len(times) - x.rank) + x.shape)
    return x if set(times) == {1} else ctx.b.op("tile", x, multiples=tuple(times))


@lowers("ops.Repeat")
def lower_repeat(ctx: Context, *inputs: Value) -> Value:
    """Each element along ``axis`` (of the flattened x for None) ``repeats`` times, or as often as its number says."""
    x, axis, repeats = only(ctx), option(ctx, "axis"), option(ctx, "repeats")
    if axis is None:
        x, axis = flattened(ctx, x), 0
    axis = normalized_axis(ctx, axis, x.rank)
    if isinstance(repeats, list | tuple) and len(repeats) == 1:
        (repeats,) = repeats
    if isinstance(repeats, list | tuple):
        found = np.repeat(np.arange(length(ctx, x, axis)), repeats).astype("int32")
        return ctx.b.op("gather", x, ctx.b.constant(found, "int32", name="indices"), axis=axis)
    return repeated(ctx, x, axis, int(repeats))


def repeated(ctx: Context, x: Value, axis: int, times: int) -> Value:
    """Each element along ``axis`` ``times`` times."""
    column = ctx.b.op("expand_dims", x, axes=(axis + 1,))
    multiples = tuple(times if index == axis + 1 else 1 for index in range(column.rank))
    shape = (*x.shape[:axis], dims.multiply(x.shape[axis], times), *x.shape[axis + 1 :])
    return reshaped(ctx, ctx.b.op("tile", column, multiples=multiples), shape)


@lowers("ops.DepthToSpace", "ops.SpaceToDepth")
def lower_depth_to_space(ctx: Context, *inputs: Value) -> Value:
    """(h, w, n * n * c) to (h * n, w * n, c), n the ``block_size``: a pixel's channels become its block's rows, columns and
    channels, and back; with ``channels_first`` the same between transposes."""
    x, size = only(ctx), int(option(ctx, "block_size"))
    first = option(ctx, "data_format") == "channels_first"
    x = moved(ctx, x, -3, -1) if first else x
    lead, (height, width, channels) = x.shape[:-3], x.shape[-3:]
    n = len(lead)
    order = (*range(n), n, n + 2, n + 1, n + 3, n + 4)
    if ctx.layer.class_name == "DepthToSpace":
        deep = dims.exact_div(channels, size * size)
        if deep is None:
            raise ctx.error(f"Its channels are a multiple of {size * size}. Received: {x.type}")
        split = reshaped(ctx, x, (*lead, height, width, size, size, deep))
        shape = (*lead, dims.multiply(height, size), dims.multiply(width, size), deep)
    else:
        rows, columns = dims.exact_div(height, size), dims.exact_div(width, size)
        if rows is None or columns is None:
            raise ctx.error(f"Its height and width are multiples of {size}. Received: {x.type}")
        split = reshaped(ctx, x, (*lead, rows, size, columns, size, channels))
        shape = (*lead, rows, columns, dims.multiply(channels, size * size))
    result = reshaped(ctx, transposed(ctx, split, order), shape)
    return moved(ctx, result, -1, -3) if first else result


@lowers("ops.Rearrange")
def lower_rearrange(ctx: Context, *inputs: Value) -> Value:
    """``"b (h w) c -> b c h w"``: dimensions split, put into another order, and joined; lengths of parts come by name."""
    names = dict(ctx.kwargs)
    given = ctx.args[0] if ctx.args else names.pop("tensor", None)
    pattern = ctx.args[1] if len(ctx.args) > 1 else names.pop("pattern", None)
    if not isinstance(given, Value) or not isinstance(pattern, str) or pattern.count("->") != 1:
        raise ctx.error(
            f"It is called on a tensor and a pattern 'a b -> b a'. Received: {given!r} and {pattern!r}"
        )
    before, after = (_groups(side) for side in pattern.split("->"))
    order = [name for group in after for name in group]
    if len(before) != given.rank or sorted(order) != sorted(name for group in before for name in group):
        raise ctx.error(
            f"A pattern names each dimension of its input on both sides. Received: {pattern!r} of {given.type}"
        )
    sizes: dict[str, Dim] = {}
    for dim, group in zip(given.shape, before, strict=True):
        sizes |= _parts_of(ctx, dim, group, names)
    flat = [name for group in before for name in group]
    split = reshaped(ctx, given, tuple(sizes[name] for name in flat))
    turned = transposed(ctx, split, tuple(flat.index(name) for name in order))
    return reshaped(ctx, turned, tuple(dims.product(tuple(sizes[name] for name in group)) for group in after))


def _groups(side: str) -> list[list[str]]:
    """``"b (h w) c"``: the names of each dimension."""
    return [group.strip("()").split() for group in re.findall(r"\w+|\(.*?\)", side)]


def _parts_of(ctx: Context, dim: Dim, group: list[str], given: dict[str, Any]) -> dict[str, Dim]:
    """The length of each part of a dimension; one may be left out."""
    if len(group) == 1:
        return {group[0]: dim}
    sizes: dict[str, Dim] = {name: int(given[name]) for name in group if name in given}
    missing = [name for name in group if name not in given]
    rest = dims.exact_div(dim, dims.product(tuple(sizes.values())))
    if len(missing) > 1 or rest is None or (not missing and rest != 1):
        raise ctx.error(
            f"The lengths of {' '.join(group)} make {dim}, one of them left out. Received: {dict(sizes)}"
        )
    return sizes | dict.fromkeys(missing, rest)
