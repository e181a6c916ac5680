"""Ops that work along axes, beneath a view: the same op along the base's axes."""

from __future__ import annotations

from collections.abc import Collection

from kexport.ir import Node, Value
from kexport.passes.views.mover import VIEW_RULES, Mover, Placed, rule
from kexport.passes.views.shape_rules import axis_view
from kexport.passes.views.view import View

REDUCTIONS = (
    "reduce_sum", "reduce_mean", "reduce_max", "reduce_min", "reduce_prod", "reduce_any", "reduce_all",
)  # fmt: skip


def without_axes(view: View, seen: Collection[int], base: Collection[int]) -> View:
    """The view with those seen axes, and those of the base, gone."""
    place = {axis: i for i, axis in enumerate(axis for axis in range(view.rank) if axis not in base)}
    kept = [axis for i, axis in enumerate(view.axes) if i not in seen]
    return View(len(place), tuple(None if axis is None else place[axis] for axis in kept))


@rule(VIEW_RULES, *REDUCTIONS)
def move_reduction(mover: Mover, node: Node) -> list[Placed] | None:
    """Over the base's axes. Where dimensions go, those of 1 that the view hides go as well: that costs nothing here
    and saves a squeeze."""
    placed, view = axis_view(mover, node)
    seen = node.attrs["axes"]
    axes = {axis for axis in (view.axes[i] for i in seen) if axis is not None}
    keepdims = node.attrs["keepdims"]
    if axes and not keepdims:
        axes |= set(range(view.rank)) - set(view.axes)
    left = view if keepdims else without_axes(view, seen, axes)
    if not axes:
        return [Placed(placed.base, left)]
    return [Placed(mover.emit(node.op, placed.base, axes=tuple(sorted(axes)), keepdims=keepdims), left)]


@rule(VIEW_RULES, "argmax", "argmin")
def move_arg_reduction(mover: Mover, node: Node) -> list[Placed] | None:
    """Along the base's axis."""
    placed, view = axis_view(mover, node)
    axis = view.axes[node.attrs["axis"]]
    if axis is None:
        return None
    index = mover.emit(node.op, placed.base, **{**node.attrs, "axis": axis})
    return [Placed(index, without_axes(view, {node.attrs["axis"]}, {axis}))]


@rule(VIEW_RULES, "cumsum", transparent=True)
def move_cumsum(mover: Mover, node: Node) -> list[Placed] | None:
    """Along the base's axis."""
    placed, view = axis_view(mover, node)
    axis = view.axes[node.attrs["axis"]]
    if axis is None:
        return None
    return [Placed(mover.emit("cumsum", placed.base, **{**node.attrs, "axis": axis}), view)]


def _trailing(axes: Collection[int], rank: int) -> bool:
    return sorted(axes) == list(range(rank - len(axes), rank))


def _stays_trailing(view: View, seen: Collection[int], base: Collection[int]) -> bool:
    """False where last axes would become others: targets compute these ops along last axes."""
    return not _trailing(seen, len(view.axes)) or _trailing(base, view.rank)


@rule(VIEW_RULES, "softmax", "log_softmax", transparent=True)
def move_softmax(mover: Mover, node: Node) -> list[Placed] | None:
    """Along the base's axes, unless last axes would become others."""
    placed, view = axis_view(mover, node)
    given = node.attrs["axis"]
    seen = given if isinstance(given, tuple) else (given,)
    axes = tuple(axis for axis in (view.axes[i] for i in seen) if axis is not None)
    if len(axes) < len(seen) or not _stays_trailing(view, seen, axes):
        return None
    restated = axes if isinstance(given, tuple) else axes[0]
    return [Placed(mover.emit(node.op, placed.base, axis=restated), view)]


@rule(VIEW_RULES, "layer_norm", transparent=True)
def move_layer_norm(mover: Mover, node: Node) -> list[Placed] | None:
    """Over the base's axes, scale and offset in their order, unless last axes would become others."""
    placed, view = axis_view(mover, node)
    seen = node.attrs["axes"]
    axes = [axis for axis in (view.axes[i] for i in seen) if axis is not None]
    if len(axes) < len(seen) or not _stays_trailing(view, seen, axes):
        return None
    turned = View(len(axes), tuple(axes.index(axis) for axis in sorted(axes)))
    parameters = [_turned(mover, value, turned) for value in node.inputs[1:]]
    base = mover.emit("layer_norm", placed.base, *parameters, **{**node.attrs, "axes": tuple(sorted(axes))})
    return [Placed(base, view)]


def _turned(mover: Mover, value: Value | None, view: View) -> Value | None:
    if value is None or view.is_identity:
        return value
    if value.constant is None:
        return mover.see(mover.seen(value), view)
    return mover.restated(value, view, view.of_constant)


@rule(VIEW_RULES, "dense")
def move_dense(mover: Mover, node: Node) -> list[Placed] | None:
    """Where the last axis is the base's last; the axes before it are rows in any order."""
    placed, view = axis_view(mover, node)
    if not view.axes or view.axes[-1] != view.rank - 1:
        return None
    return [Placed(mover.emit("dense", placed.base, *map_seen(mover, node), **node.attrs), view)]


def map_seen(mover: Mover, node: Node) -> list[Value | None]:
    """The inputs after the first, as the graph has them."""
    return [None if value is None else mover.seen(value) for value in node.inputs[1:]]


@rule(VIEW_RULES, "matmul")
def move_matmul(mover: Mover, node: Node) -> list[Placed] | None:
    """An operand with its last two dimensions swapped is a flag; other views are made."""
    operands, attrs = [], dict(node.attrs)
    for value, flag in zip((node.input(0), node.input(1)), ("transpose_a", "transpose_b"), strict=True):
        placed = mover.placed(value)
        rank = value.rank
        if placed.view == View(rank, (*range(rank - 2), rank - 1, rank - 2)):
            operands.append(placed.base)
            attrs[flag] = not attrs[flag]
        else:
            operands.append(mover.seen(value))
    if attrs == node.attrs:
        return None
    return [Placed(out := mover.emit("matmul", *operands, **attrs), View.identity(out.rank))]
