"""More than five dimensions: what Core ML has no tensors for is computed on merged dimensions, between reshapes that then cancel."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, Final

from kexport.ir import Builder, Dim, Node, Shape, Value, dims
from kexport.passes import Rewriter
from kexport.passes.rewrites import normalization
from kexport.passes.views.elementwise_rules import BROADCASTING, UNARY
from kexport_targets.coreml.legalize.registry import legalizes
from kexport_targets.coreml.schema import MOST_DIMENSIONS


def is_high(node: Node) -> bool:
    """Whether an input or output has more dimensions than there are."""
    values = (*node.inputs, *node.outputs)
    return any(value is not None and value.rank > MOST_DIMENSIONS for value in values)


def _reshaped(b: Builder, x: Value, shape: Shape) -> Value:
    return x if x.shape == shape else b.op("reshape", x, shape=shape)


def _product(shape: Sequence[Dim]) -> Dim:
    return dims.product(tuple(shape))


@legalizes("expand_dims", "squeeze")
def as_reshape(node: Node, rewriter: Rewriter) -> Value | None:
    """A ``reshape``."""
    if not is_high(node):
        return None
    return rewriter.builder.op("reshape", node.input(0), shape=node.output.shape)


_ELEMENTS: Final = ("isnan", "isinf", "isfinite", "bitcast")


@legalizes(*sorted({*UNARY, *_ELEMENTS}))
def as_one_row(node: Node, rewriter: Rewriter) -> Value | None:
    """All elements in a row."""
    if not is_high(node):
        return None
    x, b = node.input(0), rewriter.builder
    row = b.op("reshape", x, shape=(_product(x.shape),))
    return b.op("reshape", b.op(node.op, row, **node.attrs), shape=x.shape)


@legalizes(*BROADCASTING)
def broadcast(node: Node, rewriter: Rewriter) -> Value | None:
    """Neighbouring dimensions in which the operands broadcast alike are one; where that is not enough, the operands are spread out to
    one shape."""
    if not is_high(node):
        return None
    b, shape = rewriter.builder, node.output.shape
    operands = [value for value in node.inputs if value is not None]
    full = [(1,) * (len(shape) - value.rank) + value.shape for value in operands]
    runs = _runs([tuple(one[axis] == 1 for one in full) for axis in range(len(shape))])
    if len(runs) > MOST_DIMENSIONS:
        spread = [v if v.shape == shape else b.op("broadcast_to", v, shape=shape) for v in operands]
        return b.op(node.op, *spread, **node.attrs)
    merged = [
        _reshaped(b, value, tuple(_product([own[axis] for axis in run]) for run in runs))
        for value, own in zip(operands, full, strict=True)
    ]
    return b.op("reshape", b.op(node.op, *merged, **node.attrs), shape=shape)


def _runs(keys: Sequence[Any]) -> list[list[int]]:
    """Runs of neighbouring axes with one key."""
    return [[*group] for _, group in itertools.groupby(range(len(keys)), keys.__getitem__)]


@legalizes("broadcast_to")
def spread_axis_by_axis(node: Node, rewriter: Rewriter) -> Value | None:
    """One dimension after the other."""
    if not is_high(node):
        return None
    x, b, shape = node.input(0), rewriter.builder, node.output.shape
    now: list[Dim] = [*(1,) * (len(shape) - x.rank), *x.shape]
    for axis, new in enumerate(shape):
        if now[axis] == new:
            continue
        column = _reshaped(b, x, _around(now, axis))
        now[axis] = new
        x = b.op("broadcast_to", column, shape=_around(now, axis))
    return b.op("reshape", x, shape=shape)


def _around(shape: Sequence[Dim], axis: int, count: int = 1) -> tuple[Dim, Dim, Dim]:
    """What is before some neighbouring axes, those, and what is after, a dimension each."""
    stop = axis + count
    return (_product(shape[:axis]), _product(shape[axis:stop]), _product(shape[stop:]))


@legalizes("transpose")
def axis_by_axis(node: Node, rewriter: Rewriter) -> Value | None:
    """Axes that stay side by side are one; where that leaves too many, one after the other is brought to its place."""
    if not is_high(node):
        return None
    x, perm, b = node.input(0), tuple(node.attrs["perm"]), rewriter.builder
    runs: list[list[int]] = []
    for axis in perm:
        if runs and runs[-1][-1] + 1 == axis:
            runs[-1].append(axis)
        else:
            runs.append([axis])
    if len(runs) <= MOST_DIMENSIONS:
        ordered = sorted(runs)
        merged = _reshaped(b, x, tuple(_product([x.shape[axis] for axis in run]) for run in ordered))
        turned = b.op("transpose", merged, perm=tuple(ordered.index(run) for run in runs))
        return b.op("reshape", turned, shape=node.output.shape)
    order, sizes = list(range(x.rank)), x.shape
    for place, axis in enumerate(perm):
        at = order.index(axis)
        if at == place:
            continue
        parts = (order[:place], order[place:at], [axis], order[at + 1 :])
        blocks = tuple(_product([sizes[index] for index in part]) for part in parts)
        x = b.op("transpose", _reshaped(b, x, blocks), perm=(0, 2, 1, 3))
        order.insert(place, order.pop(at))
    return b.op("reshape", x, shape=node.output.shape)


@legalizes(*(f"reduce_{name}" for name in ("sum", "mean", "max", "min", "prod", "any", "all")))
def run_by_run(node: Node, rewriter: Rewriter) -> Value | None:
    """One run of neighbouring axes after the other, from the last; a mean of means is one, all being of as many elements."""
    if not is_high(node):
        return None
    x, b, axes = node.input(0), rewriter.builder, tuple(node.attrs["axes"])
    now = list(x.shape)
    for run in reversed(_runs([axis in axes for axis in range(x.rank)])):
        if run[0] not in axes:
            continue
        x = b.op(node.op, _reshaped(b, x, _around(now, run[0], len(run))), axes=(1,), keepdims=True)
        now[run[0] : run[-1] + 1] = [1] * len(run)
    return b.op("reshape", x, shape=node.output.shape)


#: Ops along one axis, whose attribute ``axis`` it is.
_ALONG: Final = ("softmax", "log_softmax", "cumsum", "argmax", "argmin", "concat", "split")


@legalizes(*_ALONG)
def along_an_axis(node: Node, rewriter: Rewriter) -> list[Value] | None:
    """With all dimensions before the axis as one, and all after it."""
    axis = node.attrs["axis"]
    if not is_high(node) or isinstance(axis, tuple):
        return None
    b = rewriter.builder
    values = [_reshaped(b, value, _around(value.shape, axis)) for value in node.inputs if value is not None]
    made = b.ops(node.op, *values, **{**node.attrs, "axis": 1})
    return [b.op("reshape", value, shape=old.shape) for value, old in zip(made, node.outputs, strict=True)]


_IDLE: Final[dict[str, dict[str, Any]]] = {
    "slice": {"begin": 0, "end": None, "strides": 1},
    "pad": {"pads": (0, 0)},
    "tile": {"multiples": 1},
}


@legalizes(*_IDLE)
def each_axis(node: Node, rewriter: Rewriter) -> Value | None:
    """One axis after the other, what is before it as one dimension and what is after it."""
    if not is_high(node):
        return None
    x, b, idle = node.input(0), rewriter.builder, _IDLE[node.op]
    now = list(x.shape)
    for axis, new in enumerate(node.output.shape):
        entry = {name: node.attrs[name][axis] for name in idle}
        if entry == idle:
            continue
        attrs = {name: (idle[name], entry[name], idle[name]) for name in idle}
        x = b.op(node.op, _reshaped(b, x, _around(now, axis)), **{**node.attrs, **attrs})
        now[axis] = new
    return b.op("reshape", x, shape=node.output.shape)


@legalizes("reverse")
def reversed_axes(node: Node, rewriter: Rewriter) -> Value | None:
    """One axis after the other."""
    if not is_high(node):
        return None
    x, b = node.input(0), rewriter.builder
    shape = x.shape
    for axis in node.attrs["axes"]:
        x = b.op("reverse", _reshaped(b, x, _around(shape, axis)), axes=(1,))
    return b.op("reshape", x, shape=shape)


@legalizes("gather")
def gathered(node: Node, rewriter: Rewriter) -> Value | None:
    """The table's dimensions before and after the axis as one each, the indices in a row."""
    table, indices, b = node.input(0), node.input(1), rewriter.builder
    axis, batch = int(node.attrs["axis"]), int(node.attrs["batch_dims"])
    if not is_high(node):
        return None
    lead, own = table.shape[:batch], indices.shape[batch:]
    parts = (table.shape[batch:axis], (table.shape[axis],), table.shape[axis + 1 :])
    rows: Shape = tuple(map(_product, parts))
    row: Shape = (_product(own),)
    if batch:
        rows, row = (_product(lead), *rows), (_product(lead), *row)
    flat = b.op(
        "gather",
        _reshaped(b, table, rows),
        _reshaped(b, indices, row),
        axis=2 if batch else 1,
        batch_dims=min(batch, 1),
    )
    return b.op("reshape", flat, shape=node.output.shape)


@legalizes("top_k", "dense")
def of_rows(node: Node, rewriter: Rewriter) -> list[Value] | None:
    """What works on rows works on a list of rows."""
    if not is_high(node):
        return None
    x, b = node.input(0), rewriter.builder
    rows = b.op("reshape", x, shape=(_product(x.shape[:-1]), x.shape[-1]))
    made = b.ops(node.op, rows, *node.inputs[1:], **node.attrs)
    return [b.op("reshape", value, shape=old.shape) for value, old in zip(made, node.outputs, strict=True)]


@legalizes("matmul")
def stacks(node: Node, rewriter: Rewriter) -> Value | None:
    """The dimensions before the matrices as one."""
    if not is_high(node):
        return None
    b, lead = rewriter.builder, node.output.shape[:-2]
    operands = []
    for value in (node.input(0), node.input(1)):
        shape = (*lead, *value.shape[-2:])
        spread = value if value.shape == shape else b.op("broadcast_to", value, shape=shape)
        operands.append(b.op("reshape", spread, shape=(_product(lead), *value.shape[-2:])))
    return b.op("reshape", b.op("matmul", *operands, **node.attrs), shape=node.output.shape)


@legalizes("layer_norm")
def layer_norm(node: Node, rewriter: Rewriter) -> Value | None:
    """Spelled out."""
    return normalization.layer_norm(node, rewriter) if is_high(node) else None
