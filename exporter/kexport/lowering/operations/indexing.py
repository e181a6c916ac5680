"""Indexing: ``x[...]``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kexport.ir import Value, dtypes
from kexport.lowering.operations.operands import arguments, length, tensor
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
        start, stop, step = _bounds(self.ctx, part)
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


def _bounds(ctx: Context, part: Any) -> tuple[int | None, int | None, int]:
    if isinstance(part, slice):
        found = part.start, part.stop, part.step
    else:
        config = part.get("config") or {}
        found = config.get("start"), config.get("stop"), config.get("step")
    if any(bound is not None and (isinstance(bound, bool) or not isinstance(bound, int)) for bound in found):
        raise ctx.error(f"The bounds of a slice are integers. Received: {found}")
    start, stop, step = found
    if step == 0:
        raise ctx.error("The step of a slice is not 0")
    return start, stop, 1 if step is None else step


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
