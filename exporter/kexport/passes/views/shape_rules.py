"""Ops that move or copy whole stretches, beneath a view: the same op, its axes and per-axis attributes restated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from kexport.ir import Dim, Node, Shape, dims
from kexport.passes.views.mover import VIEW_RULES, Mover, Placed, beneath, common_view, rule
from kexport.passes.views.order import FeatureOrder, Segment
from kexport.passes.views.view import View


def axis_view(mover: Mover, node: Node) -> tuple[Placed, View]:
    """How input 0 is placed, and its view."""
    placed = mover.placed(node.input(0))
    assert isinstance(placed.view, View)
    return placed, placed.view


def per_axis(view: View, entries: Sequence[Any], idle: Any) -> tuple[Any, ...] | None:
    """One entry a base axis from one a seen axis, ``idle`` for axes not seen; None when an entry that is not idle
    is for an axis that the base lacks."""
    restated = [idle] * view.rank
    for axis, entry in zip(view.axes, entries, strict=True):
        if axis is not None:
            restated[axis] = entry
        elif entry != idle:
            return None
    return tuple(restated)


@rule(VIEW_RULES, "concat", transparent=True)
def move_concat(mover: Mover, node: Node) -> list[Placed] | None:
    """All inputs beneath one view, which must have the axis."""
    axis = node.attrs["axis"]
    values = [node.input(index) for index in range(len(node.inputs))]
    view = common_view(mover, values, node.output.rank, lambda view: view.axes[axis] is not None)
    if view is None:
        return None
    restated = []
    for value in values:
        if value.constant is None:
            restated.append(beneath(mover, value, view))
        else:  # concat takes no operand of a lower rank
            inverse = view.inverse()
            restated.append(mover.restated(value, inverse, inverse.of_constant))
    return [Placed(mover.emit("concat", *restated, axis=view.axes[axis]), view)]


@rule(VIEW_RULES, "split", transparent=True)
def move_split(mover: Mover, node: Node) -> list[Placed] | None:
    """Along the base's axis."""
    placed, view = axis_view(mover, node)
    axis = view.axes[node.attrs["axis"]]
    if axis is None:
        return None
    parts = mover.emit_all("split", placed.base, axis=axis, sizes=node.attrs["sizes"])
    return [Placed(part, view) for part in parts]


@rule(VIEW_RULES, "pad", transparent=True)
def move_pad(mover: Mover, node: Node) -> list[Placed] | None:
    """Pads of the base's axes."""
    placed, view = axis_view(mover, node)
    pads = per_axis(view, [tuple(pair) for pair in node.attrs["pads"]], (0, 0))
    if pads is None:
        return None
    return [Placed(mover.emit("pad", placed.base, **{**node.attrs, "pads": pads}), view)]


@rule(VIEW_RULES, "slice", transparent=True)
def move_slice(mover: Mover, node: Node) -> list[Placed] | None:
    """Bounds of the base's axes; a dimension of 1 that the base lacks must stay whole."""
    placed, view = axis_view(mover, node)
    attrs = node.attrs
    if any(axis is None and dim != 1 for axis, dim in zip(view.axes, node.output.shape, strict=True)):
        return None
    bounds = list(zip(attrs["begin"], attrs["end"], attrs["strides"], strict=True))
    whole = (0, None, 1)
    idle = [entry if axis is not None else whole for entry, axis in zip(bounds, view.axes, strict=True)]
    restated = per_axis(view, idle, whole)
    assert restated is not None
    begin, end, strides = (tuple(entry[i] for entry in restated) for i in range(3))
    return [Placed(mover.emit("slice", placed.base, begin=begin, end=end, strides=strides), view)]


@rule(VIEW_RULES, "tile", transparent=True)
def move_tile(mover: Mover, node: Node) -> list[Placed] | None:
    """Multiples of the base's axes."""
    placed, view = axis_view(mover, node)
    multiples = per_axis(view, node.attrs["multiples"], 1)
    return None if multiples is None else [Placed(mover.emit("tile", placed.base, multiples=multiples), view)]


@rule(VIEW_RULES, "broadcast_to")
def move_broadcast_to(mover: Mover, node: Node) -> list[Placed] | None:
    """The base's axes broadcast, where all the result's are axes of it."""
    placed, view = axis_view(mover, node)
    shape = per_axis(view, node.attrs["shape"], 1) if len(view.axes) == node.output.rank else None
    return None if shape is None else [Placed(mover.emit("broadcast_to", placed.base, shape=shape), view)]


@rule(VIEW_RULES, "reverse", transparent=True)
def move_reverse(mover: Mover, node: Node) -> list[Placed] | None:
    """The base's axes turned round; one of 1 that it lacks has nothing to turn."""
    placed, view = axis_view(mover, node)
    axes = tuple(sorted(axis for axis in (view.axes[i] for i in node.attrs["axes"]) if axis is not None))
    return [Placed(mover.emit("reverse", placed.base, axes=axes) if axes else placed.base, view)]


@rule(VIEW_RULES, "reshape")
def move_reshape(mover: Mover, node: Node) -> list[Placed] | None:
    """Beneath the view where each run of axes that is merged or split lies together in the base.

    A run that lies together but in another order (a channels_first Flatten) becomes a :class:`FeatureOrder` of
    the last axis.
    """
    placed, view = axis_view(mover, node)
    before, after = node.input(0).shape, node.output.shape
    runs = reshape_runs(before, after)
    located = [_located(view, run, before, placed.base.shape) for run, _ in runs]
    order = sorted((where[0], index) for index, where in enumerate(located) if where)
    if not _lie_together(located, placed.base.shape):
        return None
    shape: list[Dim] = []
    axes: list[int | None] = [None] * len(after)
    for _, index in order:
        for axis in runs[index][1]:
            axes[axis] = len(shape)
            shape.append(after[axis])
    mixed = [index for index, where in enumerate(located) if where != sorted(where)]
    if not mixed:
        base = mover.emit("reshape", placed.base, shape=tuple(shape))
        return [Placed(base, View(len(shape), tuple(axes)))]
    return _move_flatten(mover, placed, node, runs, located, mixed)


def _move_flatten(
    mover: Mover,
    placed: Placed,
    node: Node,
    runs: Sequence[tuple[Sequence[int], Sequence[int]]],
    located: Sequence[list[int]],
    mixed: Sequence[int],
) -> list[Placed] | None:
    after = node.output.shape
    where = located[mixed[0]]
    in_order = sorted(index for index in where)
    firsts = [min(entry) for entry in located if entry]
    lengths = [placed.base.shape[axis] for axis in in_order]
    last_only = len(mixed) == 1 and list(runs[mixed[0]][1]) == [len(after) - 1] and firsts == sorted(firsts)
    if not last_only or not all(isinstance(length, int) for length in lengths):
        return None
    segment = Segment(
        tuple(int(str(length)) for length in lengths), tuple(in_order.index(axis) for axis in where)
    )
    return [Placed(mover.emit("reshape", placed.base, shape=after), FeatureOrder(len(after), (segment,)))]


def _located(view: View, run: Sequence[int], seen: Shape, base: Shape) -> list[int]:
    """The base's axes of a run of seen axes, in the run's order, without those of 1."""
    axes = (view.axes[axis] for axis in run)
    return [axis for axis in axes if axis is not None and base[axis] != 1]


def _lie_together(located: Sequence[list[int]], base: Shape) -> bool:
    """Whether each run is a stretch of the base's axes, those of 1 not counted."""
    place = {axis: i for i, axis in enumerate(axis for axis, dim in enumerate(base) if dim != 1)}
    for run in located:
        places = sorted(place[axis] for axis in run)
        if places != list(range(places[0], places[0] + len(places))) if places else False:
            return False
    return True


def reshape_runs(before: Shape, after: Shape) -> list[tuple[list[int], list[int]]]:
    """A reshape as runs of axes, each of which is merged or split by itself: (axes before, axes after) pairs.

    ``(n, 4, 6, c) -> (n, 24, c)`` is ``[0]→[0], [1, 2]→[1], [3]→[2]``.
    """
    lead = 0
    while lead < min(len(before), len(after)) and before[lead] == after[lead]:
        lead += 1
    tail = 0
    while tail < min(len(before), len(after)) - lead and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    runs = [([axis], [axis]) for axis in range(lead)]
    middle = (list(range(lead, len(before) - tail)), list(range(lead, len(after) - tail)))
    runs += _static_runs(before, after, *middle)
    runs += [([len(before) - i], [len(after) - i]) for i in range(tail, 0, -1)]
    return runs


def _static_runs(
    before: Shape, after: Shape, old: list[int], new: list[int]
) -> list[tuple[list[int], list[int]]]:
    inner = (*(before[axis] for axis in old), *(after[axis] for axis in new))
    if not old and not new:
        return []
    if not dims.is_static(inner) or 0 in inner:
        return [(old, new)]
    runs: list[tuple[list[int], list[int]]] = []
    left, right = list(old), list(new)
    while left and right:
        run: tuple[list[int], list[int]] = ([left.pop(0)], [right.pop(0)])
        while (a := _size(before, run[0])) != (b := _size(after, run[1])):
            side, rest = (0, left) if a < b else (1, right)
            run[side].append(rest.pop(0))
        runs.append(run)
    if left or right:  # only dimensions of 1 are over
        runs.append((left, right))
    return runs


def _size(shape: Shape, axes: Sequence[int]) -> int:
    return math.prod(int(str(shape[axis])) for axis in axes)
