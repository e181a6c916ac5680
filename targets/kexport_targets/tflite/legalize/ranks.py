"""Ranks: kernels take so many dimensions, and what has more is reshaped to as many as matter.

Limits are those of tflite-runtime 2.14, the oldest runtime in use, seen by running each op over ranks there; beyond them it
ends the process. LiteRT takes more in some.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, Final

from kexport.errors import UnsupportedOpError
from kexport.ir import Builder, Dim, Node, Shape, Value, dims
from kexport.passes import Rewriter
from kexport_targets.tflite.legalize.registry import legalizes

#: Ops of operands that broadcast → how many dimensions they broadcast over (of one shape, operands may have any number).
BROADCAST_RANK: Final[dict[str, int]] = {
    "add": 6,
    **dict.fromkeys(["sub", "div", "maximum", "minimum", "select"], 5),
    **dict.fromkeys(["mul", "pow", "floor_div", "mod", "squared_difference", "prelu"], 4),
    **dict.fromkeys(["logical_and", "logical_or", "bitwise_xor", "right_shift"], 4),
    **dict.fromkeys(["equal", "not_equal", "less", "less_equal", "greater", "greater_equal"], 4),
    "atan2": 0,
}

#: BROADCAST_TO's (broadcast_to.cc, kMaxDims).
BROADCAST_TO_RANK: Final = 8


@legalizes(*BROADCAST_RANK)
def broadcast(node: Node, rewriter: Rewriter) -> Value | None:
    """Neighbouring dimensions in which the operands broadcast alike become one; where that is not enough, the operands are
    spread out to one shape first."""
    operands = [value for value in node.inputs if value is not None]
    limit, shape = BROADCAST_RANK[node.op], node.output.shape
    if len(shape) <= limit or len({value.shape for value in operands}) == 1:
        return None
    b = rewriter.builder
    full = [(1,) * (len(shape) - value.rank) + value.shape for value in operands]
    groups = _groups(len(shape), lambda axis: tuple(one[axis] == 1 for one in full), shape)
    if len(groups) > limit:
        if len(shape) > BROADCAST_TO_RANK:
            raise _too_many(node, BROADCAST_TO_RANK)
        return b.op(node.op, *(_spread(value, shape, b) for value in operands), **node.attrs)
    merged = [b.op("reshape", v, shape=_merged(s, groups)) for v, s in zip(operands, full, strict=True)]
    return b.op("reshape", b.op(node.op, *merged, **node.attrs), shape=shape)


def _spread(value: Value, shape: Shape, b: Builder) -> Value:
    return value if value.shape == shape else b.op("broadcast_to", value, shape=shape)


@legalizes("prelu")
def slopes_of_more_dimensions(node: Node, rewriter: Rewriter) -> Value | None:
    """PRELU's slopes broadcast to x, never x to them."""
    x, slopes, b = node.input(0), node.input(1), rewriter.builder
    shape = node.output.shape
    return None if x.shape == shape else b.op("prelu", _spread(x, shape, b), slopes)


def _groups(rank: int, key: Callable[[int], Any], shape: Shape) -> list[list[int]]:
    """Runs of neighbouring axes with one key; axes of 1 go with any."""
    groups: list[list[int]] = []
    last: Any = None
    for axis in range(rank):
        if shape[axis] == 1 and groups:
            groups[-1].append(axis)
        elif groups and (key(axis) == last or all(shape[a] == 1 for a in groups[-1])):
            groups[-1].append(axis)
            last = key(axis)
        else:
            groups.append([axis])
            last = key(axis)
    return groups


def _merged(shape: Shape, groups: Sequence[Sequence[int]]) -> tuple[Dim, ...]:
    return tuple(dims.product(tuple(shape[axis] for axis in group)) for group in groups)


#: Ops that do something to each axis by itself → how many axes they take.
_AXIS_LIMITS: Final[dict[str, int]] = {"pad": 5, "slice": 5}


@legalizes("pad", "slice")
def untouched_axes(node: Node, rewriter: Rewriter) -> Value | None:
    """Neighbouring axes that a PAD or STRIDED_SLICE leaves alone become one; where it touches too many, one after the other
    touches some."""
    x, limit, b = node.input(0), _AXIS_LIMITS[node.op], rewriter.builder
    if x.rank <= limit:
        return None
    names = ("pads",) if node.op == "pad" else ("begin", "end", "strides")
    idle = ((0, 0),) if node.op == "pad" else (0, None, 1)
    entries = [tuple(node.attrs[name][axis] for name in names) for axis in range(x.rank)]
    groups = [[0]]
    for axis in range(1, x.rank):
        if entries[axis] == idle and entries[axis - 1] == idle:
            groups[-1].append(axis)
        else:
            groups.append([axis])

    def some(axes: Sequence[int]) -> dict[str, Any]:
        rows = [entries[axis] if axis in axes else idle for axis in range(x.rank)]
        return {**node.attrs, **dict(zip(names, zip(*rows, strict=True), strict=True))}

    if len(groups) > limit:
        touched = [axis for axis in range(x.rank) if entries[axis] != idle]
        first = b.op(node.op, x, **some(touched[:2]))
        return b.op(node.op, first, **some(touched[2:]))
    rows = [entries[group[0]] for group in groups]
    attrs = {**node.attrs, **dict(zip(names, zip(*rows, strict=True), strict=True))}
    made = b.op(node.op, b.op("reshape", x, shape=_merged(x.shape, groups)), **attrs)
    return b.op("reshape", made, shape=node.output.shape)


@legalizes("reverse")
def one_axis_at_a_time(node: Node, rewriter: Rewriter) -> Value | None:
    """REVERSE_V2 over several axes is wrong in tflite-runtime 2.14."""
    x, axes = node.input(0), node.attrs["axes"]
    if len(axes) == 1:
        return None
    for axis in axes:
        x = rewriter.builder.op("reverse", x, axes=(axis,))
    return x


#: XNNPACK's (xnnpack.h, XNN_MAX_TENSOR_DIMS). Its delegate takes an op of more dimensions and then fails the whole model.
XNNPACK_RANK: Final = 6


@legalizes("concat")
def concat_in_three(node: Node, rewriter: Rewriter) -> Value | None:
    """The dimensions before the axis as one, and those after it."""
    axis, b, shape = node.attrs["axis"], rewriter.builder, node.output.shape
    if len(shape) <= XNNPACK_RANK:
        return None
    groups = [[*range(axis)], [axis], [*range(axis + 1, len(shape))]]
    parts = [b.op("reshape", v, shape=_merged(v.shape, groups)) for v in node.inputs if v is not None]
    return b.op("reshape", b.op("concat", *parts, axis=1), shape=shape)


@legalizes("softmax", "log_softmax", "dense")
def all_but_the_last(node: Node, rewriter: Rewriter) -> Value | None:
    """What works on rows works on a list of rows."""
    x, b = node.input(0), rewriter.builder
    if x.rank <= XNNPACK_RANK:
        return None
    rows = b.op("reshape", x, shape=(dims.product(x.shape[:-1]), x.shape[-1]))
    attrs = node.attrs if node.op == "dense" else {"axis": 1}
    return b.op("reshape", b.op(node.op, rows, *node.inputs[1:], **attrs), shape=node.output.shape)


@legalizes(*(f"reduce_{name}" for name in ("sum", "mean", "max", "min", "prod")))
def reduced_neighbours(node: Node, rewriter: Rewriter) -> Value | None:
    """Neighbouring axes that are all reduced, or all kept, become one; where that leaves too many, the last reduced ones go
    first. XNNPACK has float32 alone; a mean of means is one, all being of as many elements."""
    x, axes, b = node.input(0), tuple(node.attrs["axes"]), rewriter.builder
    if x.rank <= XNNPACK_RANK or x.dtype != "float32":
        return None
    groups = [[*run] for _, run in itertools.groupby(range(x.rank), lambda axis: axis in axes)]
    reduced = [index for index, group in enumerate(groups) if group[0] in axes]
    if len(groups) <= XNNPACK_RANK:
        merged = b.op("reshape", x, shape=_merged(x.shape, groups))
        result = b.op(node.op, merged, axes=tuple(reduced))
    else:
        last = groups[reduced[-1]]
        around = [[*range(last[0])], last, [*range(last[-1] + 1, x.rank)]]
        part = b.op(node.op, b.op("reshape", x, shape=_merged(x.shape, around)), axes=(1,))
        rest = b.op("reshape", part, shape=(*x.shape[: last[0]], *x.shape[last[-1] + 1 :]))
        result = b.op(node.op, rest, axes=tuple(axis for axis in axes if axis not in last))
    return b.op("reshape", result, shape=node.output.shape)


#: TRANSPOSE's (transpose.cc, kTransposeMaxDimensions).
TRANSPOSE_RANK: Final = 6


@legalizes("transpose")
def joined_axes(node: Node, rewriter: Rewriter) -> Value | None:
    """Axes that stay side by side in a TRANSPOSE become one."""
    x, perm = node.input(0), tuple(node.attrs["perm"])
    if x.rank <= TRANSPOSE_RANK:
        return None
    runs: list[list[int]] = []
    for axis in perm:
        if runs and runs[-1][-1] + 1 == axis:
            runs[-1].append(axis)
        else:
            runs.append([axis])
    if len(runs) > TRANSPOSE_RANK:
        raise _too_many(node, TRANSPOSE_RANK)
    ordered = sorted(runs)
    b = rewriter.builder
    merged = b.op("reshape", x, shape=_merged(x.shape, ordered))
    turned = b.op("transpose", merged, perm=tuple(ordered.index(run) for run in runs))
    return b.op("reshape", turned, shape=node.output.shape)


def _too_many(node: Node, limit: int) -> UnsupportedOpError:
    types = ", ".join(str(value.type) for value in node.inputs if value is not None)
    return UnsupportedOpError(
        f"Layer {node.origin!r}: TFLite computes {node.op} over at most {limit} dimensions. Received: {types}.",
        hint="Merge dimensions with a Reshape before this layer.",
    )
