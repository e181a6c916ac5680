"""Ops on a tensor whose features are in another order: constants are restated, and a dense layer ends it."""

from __future__ import annotations

from kexport.ir import Node, Value
from kexport.passes.views.elementwise_rules import BROADCASTING, UNARY
from kexport.passes.views.mover import ORDER_RULES, Mover, Placed, rule
from kexport.passes.views.order import FeatureOrder, Segment
from kexport.passes.views.reduction_rules import REDUCTIONS, map_seen
from kexport.passes.views.view import View


def restored(mover: Mover, value: Value, order: FeatureOrder, axis: int) -> Value:
    """A constant whose entries along ``axis`` are in the seen order, in the base's."""
    return mover.restated(value, (order, axis), lambda constant: order.restored(constant, axis))


@rule(ORDER_RULES, *UNARY)
def order_unary(mover: Mover, node: Node) -> list[Placed] | None:
    """``f`` does not see the order."""
    placed = mover.placed(node.input(0))
    return [Placed(mover.emit(node.op, placed.base, **node.attrs), placed.view)]


@rule(ORDER_RULES, *BROADCASTING)
def order_broadcasting(mover: Mover, node: Node) -> list[Placed] | None:
    """Operands in the same order, constants brought to it, or one value for all features."""
    placed = [mover.placed(v) for v in node.inputs if v is not None and v.constant is None]
    order = next(entry.view for entry in placed if isinstance(entry.view, FeatureOrder))
    assert isinstance(order, FeatureOrder)
    if node.output.rank != order.rank or node.output.shape[-1] != order.size:
        return None
    operands: list[Value] = []
    for value in (node.input(index) for index in range(len(node.inputs))):
        entry = mover.placed(value)
        if not value.shape or value.shape[-1] == 1:
            operands.append(mover.seen(value))
        elif value.constant is not None:
            operands.append(restored(mover, value, order, value.rank - 1))
        elif isinstance(entry.view, FeatureOrder) and entry.view.segments == order.segments:
            operands.append(entry.base)
        else:
            return None
    return [Placed(mover.emit(node.op, *operands, **node.attrs), order)]


@rule(ORDER_RULES, "dense")
def order_dense(mover: Mover, node: Node) -> list[Placed] | None:
    """The kernel's rows brought to the order; the output is in its own."""
    placed, kernel = mover.placed(node.input(0)), node.input(1)
    if kernel.constant is None or not isinstance(placed.view, FeatureOrder):
        return None
    restated = restored(mover, kernel, placed.view, 0)
    out = mover.emit("dense", placed.base, restated, *map_seen(mover, node)[1:], **node.attrs)
    return [Placed(out, View.identity(out.rank))]


@rule(ORDER_RULES, "concat")
def order_concat(mover: Mover, node: Node) -> list[Placed] | None:
    """Along the features the orders follow one another; along another axis they must be the same."""
    values = [node.input(index) for index in range(len(node.inputs))]
    entries = [mover.placed(value) for value in values]
    if node.attrs["axis"] == node.output.rank - 1:
        return _joined(mover, node, entries)
    orders = {entry.view for entry in entries}
    if len(orders) > 1:
        return None
    return [Placed(mover.emit("concat", *(entry.base for entry in entries), **node.attrs), entries[0].view)]


def _joined(mover: Mover, node: Node, entries: list[Placed]) -> list[Placed] | None:
    segments: list[Segment] = []
    bases: list[Value] = []
    for value, entry in zip(node.inputs, entries, strict=True):
        assert value is not None
        if isinstance(entry.view, FeatureOrder):
            segments += entry.view.segments
            bases.append(entry.base)
            continue
        length = value.shape[-1]
        if not isinstance(length, int):
            return None
        segments.append(Segment.plain(length))
        bases.append(mover.seen(value))
    joined = FeatureOrder(node.output.rank, tuple(segments))
    return [Placed(mover.emit("concat", *bases, **node.attrs), joined)]


@rule(ORDER_RULES, *REDUCTIONS)
def order_reduction(mover: Mover, node: Node) -> list[Placed] | None:
    """Over the features the order does not matter; over others it stays."""
    placed = mover.placed(node.input(0))
    assert isinstance(placed.view, FeatureOrder)
    out = mover.emit(node.op, placed.base, **node.attrs)
    if placed.view.rank - 1 in node.attrs["axes"]:
        return [Placed(out, View.identity(out.rank))]
    return [Placed(out, FeatureOrder(out.rank, placed.view.segments))]


@rule(ORDER_RULES, "softmax", "log_softmax")
def order_softmax(mover: Mover, node: Node) -> list[Placed] | None:
    """No softmax sees the order."""
    placed = mover.placed(node.input(0))
    return [Placed(mover.emit(node.op, placed.base, **node.attrs), placed.view)]


@rule(ORDER_RULES, "layer_norm")
def order_layer_norm(mover: Mover, node: Node) -> list[Placed] | None:
    """Over the features alone: scale and offset brought to the order."""
    placed = mover.placed(node.input(0))
    parameters = node.inputs[1:]
    if not isinstance(placed.view, FeatureOrder) or tuple(node.attrs["axes"]) != (placed.view.rank - 1,):
        return None
    if any(value is not None and value.constant is None for value in parameters):
        return None
    restated = [
        None if value is None or value.constant is None else restored(mover, value, placed.view, 0)
        for value in parameters
    ]
    return [Placed(mover.emit("layer_norm", placed.base, *restated, **node.attrs), placed.view)]


@rule(ORDER_RULES, "reshape")
def order_reshape(mover: Mover, node: Node) -> list[Placed] | None:
    """Split into the dimensions that the order is a transpose of: a transpose of the base split so."""
    order = mover.placed(node.input(0)).view
    assert isinstance(order, FeatureOrder)
    lead, shape = order.rank - 1, node.output.shape
    (segment, *more) = order.segments
    if more or shape != (*node.input(0).shape[:lead], *(segment.dims[i] for i in segment.perm)):
        return None
    base = mover.emit("reshape", mover.placed(node.input(0)).base, shape=(*shape[:lead], *segment.dims))
    return [Placed(base, View(base.rank, (*range(lead), *(lead + i for i in segment.perm))))]
