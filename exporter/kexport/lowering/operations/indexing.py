"""Indexing: ``x[...]``, taking and gathering, windows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kexport.ir import Dim, Value, dims, dtypes
from kexport.ir.ops.elementwise import broadcast_shapes
from kexport.lowering.arguments import normalized_axis
from kexport.lowering.operations.operands import (
    arguments,
    array_of,
    cast,
    flattened,
    length,
    only,
    option,
    reshaped,
    tensor,
    transposed,
)
from kexport.lowering.registry import Context, lowers


@lowers("ops.GetItem")
def lower_get_item(ctx: Context, *inputs: Value) -> Value:
    """``x[key]``: integers, slices, None and ``...`` as NumPy has them, and one tensor or array of integers.

    A slice that goes backwards turns the tensor round first.
    """
    x, key = arguments(ctx, "x", "key")
    return _Item(ctx, tensor(ctx, x), _parts(ctx, key)).lower()


def _parts(ctx: Context, key: Any) -> list[Any]:
    """The key's parts, one a dimension or None, ``...`` written out later; a list in a file is a tuple's."""
    parts = list(key) if isinstance(key, list | tuple) else [key]
    if sum(part is Ellipsis or _is(part, "__ellipsis__") for part in parts) > 1:
        raise ctx.error(f"A key has one ... at most. Received: {key!r}")
    return parts


def _is(part: Any, class_name: str) -> bool:
    return isinstance(part, Mapping) and part.get("class_name") == class_name


class _Item:
    """One indexing: collects a slice a dimension, then what is squeezed, gathered and put in."""

    def __init__(self, ctx: Context, x: Value, parts: list[Any]) -> None:
        self.ctx = ctx
        self.x = x
        self.parts = self._spelled_out(parts)
        self.slices: list[tuple[int, int | None, int]] = []
        self.backwards: list[int] = []

    def _spelled_out(self, parts: list[Any]) -> list[Any]:
        """``parts`` with whole slices for ``...`` and for the dimensions at the end that they leave out."""
        indexed = sum(
            part is not None and part is not Ellipsis and not _is(part, "__ellipsis__") for part in parts
        )
        if indexed > self.x.rank:
            raise self.ctx.error(f"A key has {self.x.rank} parts at most. Received: {indexed}")
        rest = [slice(None)] * (self.x.rank - indexed)
        for index, part in enumerate(parts):
            if part is Ellipsis or _is(part, "__ellipsis__"):
                return [*parts[:index], *rest, *parts[index + 1 :]]
        return [*parts, *rest]

    def lower(self) -> Value:
        """The nodes of the whole key."""
        b, dropped, new = self.ctx.b, [], []
        gathered: tuple[int, Any] | None = None
        axis = kept = 0
        for part in self.parts:
            if part is None:
                new.append(kept)
                kept += 1
                continue
            if isinstance(part, int) and not isinstance(part, bool):
                self._integer(axis, part)
                dropped.append(axis)
            elif isinstance(part, slice) or _is(part, "__slice__"):
                self._slice(axis, part)
                kept += 1
            elif gathered is None:
                self.slices.append((0, None, 1))
                gathered = (kept, part)
                kept += 1
            else:
                raise self.ctx.error(
                    "A key has one tensor or array at most", hint="Index twice, or use take."
                )
            axis += 1
        x = self._cut()
        x = b.op("squeeze", x, axes=tuple(dropped)) if dropped else x
        x = b.op("expand_dims", x, axes=tuple(new)) if new else x
        if gathered is None:
            return x
        if dropped:
            raise self.ctx.error("A key has a tensor, or integers. Received: both", hint="Index twice.")
        return gathered_along(self.ctx, x, gathered[1], gathered[0])

    def _integer(self, axis: int, index: int) -> None:
        dim = self.x.shape[axis]
        if isinstance(dim, int) and not -dim <= index < dim:
            raise self.ctx.error(f"Index {index} is within dimension {axis}. Received: {self.x.type}")
        self.slices.append((index, None if index == -1 else index + 1, 1))

    def _slice(self, axis: int, part: Any) -> None:
        start, stop, step = _bounds(self.ctx, part, self.x.shape[axis])
        if step > 0:
            self.slices.append((start or 0, stop, step))
            return
        self.backwards.append(axis)
        if start is None and stop is None:
            self.slices.append((0, None, -step))
            return
        size = length(self.ctx, self.x, axis)
        first, last, _ = slice(start, stop, step).indices(size)
        self.slices.append((size - 1 - first, size - 1 - last, -step))

    def _cut(self) -> Value:
        b, x = self.ctx.b, self.x
        x = b.op("reverse", x, axes=tuple(self.backwards)) if self.backwards else x
        if all(entry == (0, None, 1) for entry in self.slices):
            return x
        begin, end, strides = zip(*self.slices, strict=True)
        return b.op("slice", x, begin=begin, end=end, strides=strides)


def _bounds(ctx: Context, part: Any, dim: Dim) -> tuple[int | None, int | None, int]:
    """Start, stop and step of a slice of a dimension; an open length less a number counts from the end."""
    if isinstance(part, slice):
        found = part.start, part.stop, part.step
    else:
        config = part.get("config") if isinstance(part, Mapping) else None
        if not isinstance(config, Mapping):
            raise ctx.error(
                f"A part of an index is an integer, a slice, a tensor, None or Ellipsis. Received: {part!r}"
            )
        found = config.get("start"), config.get("stop"), config.get("step")
    found = tuple(_from_the_end(bound, dim) for bound in found)
    if any(bound is not None and (isinstance(bound, bool) or not isinstance(bound, int)) for bound in found):
        raise ctx.error(f"The bounds of a slice are integers. Received: {found}")
    start, stop, step = found
    if step == 0:
        raise ctx.error("The step of a slice is not 0")
    return start, stop, 1 if step is None else step


def _from_the_end(bound: Any, dim: Dim) -> Any:
    if not isinstance(bound, dims.Symbolic):
        return bound
    rest = dims.subtract(bound, dim)
    return None if rest == 0 else rest if isinstance(rest, int) and rest < 0 else bound


def gathered_along(ctx: Context, x: Value, indices: Any, axis: int, *, batch_dims: int = 0) -> Value:
    """``x`` at ``indices`` along ``axis``; a negative index counts from the end, where the length is known."""
    found = tensor(ctx, indices)
    if not dtypes.is_integer(found.dtype):
        raise ctx.error(f"Indices are integers. Received: {found.type}", hint="Use where for a bool mask.")
    if found.dtype not in ("int32", "int64"):
        found = ctx.b.op("cast", found, dtype="int32")
    if found.constant is not None:
        numbers = found.constant.numpy()
        if (numbers < 0).any():
            numbers = np.where(numbers < 0, numbers + length(ctx, x, axis), numbers)
        found = ctx.b.constant(numbers.astype("int32"), "int32", name="indices")
    elif isinstance(x.shape[axis], int):
        size = ctx.b.scalar(length(ctx, x, axis), found)
        below = ctx.b.op("less", found, ctx.b.scalar(0, found))
        found = ctx.b.op("select", below, ctx.b.op("add", found, size), found)
    return ctx.b.op("gather", x, found, axis=axis, batch_dims=batch_dims)


@lowers("ops.Take")
def lower_take(ctx: Context, *inputs: Value) -> Value:
    """``x`` at ``indices`` along ``axis``; of the flattened x for None."""
    given, indices = arguments(ctx, "x", "indices")
    x, axis = tensor(ctx, given), option(ctx, "axis")
    if axis is None:
        x, axis = flattened(ctx, x), 0
    return gathered_along(ctx, x, indices, normalized_axis(ctx, axis, x.rank))


@lowers("ops.TakeAlongAxis")
def lower_take_along_axis(ctx: Context, *inputs: Value) -> Value:
    """``result[i, j] = x[i, indices[i, j]]`` along ``axis``, the other dimensions broadcasting."""
    given, found = arguments(ctx, "x", "indices")
    x, indices = tensor(ctx, given), cast(ctx, tensor(ctx, found), "int32")
    axis = option(ctx, "axis")
    if axis is None:
        return gathered_along(ctx, flattened(ctx, x), indices, 0)
    return take_along(ctx, x, indices, normalized_axis(ctx, axis, x.rank))


def take_along(ctx: Context, x: Value, indices: Value, axis: int) -> Value:
    """``x`` at ``indices`` along ``axis``, for each place of the other dimensions, which broadcast."""
    perm = (*(i for i in range(x.rank) if i != axis), axis)
    table, places = transposed(ctx, x, perm), transposed(ctx, indices, perm)
    lead = broadcast_shapes(table.shape[:-1], places.shape[:-1])
    rows = dims.product(lead)
    table, places = (
        reshaped(ctx, _spread(ctx, value, (*lead, value.shape[-1])), (rows, value.shape[-1]))
        for value in (table, places)
    )
    result = gathered_along(ctx, table, places, 1, batch_dims=1)
    back = tuple(perm.index(i) for i in range(x.rank))
    return transposed(ctx, reshaped(ctx, result, (*lead, places.shape[-1])), back)


def _spread(ctx: Context, x: Value, shape: tuple[Dim, ...]) -> Value:
    return x if x.shape == shape else ctx.b.op("broadcast_to", x, shape=shape)


@lowers("ops.Slice", "ops.SliceUpdate")
def lower_slice(ctx: Context, *inputs: Value) -> Value:
    """``shape`` elements of ``inputs`` from ``start_indices`` on; those replaced by ``updates``."""
    if ctx.layer.class_name == "Slice":
        given, starts = arguments(ctx, "inputs", "start_indices")
        return _window(ctx, tensor(ctx, given), _starts(ctx, starts), tuple(option(ctx, "shape")))
    given, starts, new = arguments(ctx, "inputs", "start_indices", "updates")
    x = tensor(ctx, given)
    updates, begin = tensor(ctx, new, x.dtype), _starts(ctx, starts)
    ends = tuple(a + length(ctx, updates, i) for i, a in enumerate(begin))
    pads = tuple((a, length(ctx, x, i) - z) for i, (a, z) in enumerate(zip(begin, ends, strict=True)))
    inside = np.zeros([length(ctx, x, i) for i in range(x.rank)], bool)
    inside[tuple(slice(a, z) for a, z in zip(begin, ends, strict=True))] = True
    whole = ctx.b.op("pad", updates, pads=pads, value=0)
    return ctx.b.op("select", ctx.b.constant(inside, "bool", name="inside"), whole, x)


def _starts(ctx: Context, starts: Any) -> tuple[int, ...]:
    if isinstance(starts, list | tuple) and not any(isinstance(start, Value) for start in starts):
        return tuple(int(start) for start in starts)
    return tuple(int(start) for start in np.atleast_1d(array_of(ctx, starts)))


def _window(ctx: Context, x: Value, begin: tuple[int, ...], shape: tuple[Any, ...]) -> Value:
    end = tuple(None if size == -1 else a + size for a, size in zip(begin, shape, strict=True))
    return ctx.b.op("slice", x, begin=begin, end=end, strides=(1,) * x.rank)


@lowers("ops.ExtractSequences")
def lower_extract_sequences(ctx: Context, *inputs: Value) -> Value:
    """(..., time) to (..., count, ``sequence_length``): windows that start every ``sequence_stride`` elements."""
    x, size, stride = only(ctx), int(option(ctx, "sequence_length")), int(option(ctx, "sequence_stride"))
    starts = np.arange(0, length(ctx, x, x.rank - 1) - size + 1, stride)
    found = (starts[:, None] + np.arange(size)).astype("int32")
    return ctx.b.op("gather", x, ctx.b.constant(found, name="indices"), axis=x.rank - 1)


@lowers("ops.UnravelIndex")
def lower_unravel_index(ctx: Context, *inputs: Value) -> list[Value]:
    """An index into a tensor of ``shape``, flattened, as one into each of its dimensions: ``index // what follows % side``."""
    index = only(ctx, "indices")
    shape = [int(side) for side in option(ctx, "shape")]
    if index.rank != 1 and len(set(shape)) > 1:
        raise ctx.error(
            f"Of indices of other ranks than 1 Keras's backends make different ones where the sides differ. Received: {index.type}",
            hint="Flatten the indices before.",
        )
    found = []
    for side in reversed(shape):
        found.append(ctx.b.op("mod", index, ctx.b.scalar(side, index)))
        index = ctx.b.op("floor_div", index, ctx.b.scalar(side, index))
    return found[::-1]
