"""Ranks: kernels take so many dimensions, and what has more is reshaped to as many as matter.

Limits are those of LiteRT (tflite/kernels, commit f67457790c9c) where a function is named, and otherwise what a test of the
ops over ranks saw.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from kexport.errors import UnsupportedOpError
from kexport.ir import Dim, Node, Shape, Value, dims
from kexport.passes import Rewriter
from kexport_targets.tflite.legalize.registry import legalizes

#: Ops of operands that broadcast → how many dimensions they broadcast over (of one shape, operands may have any number).
BROADCAST_RANK: Final[dict[str, int]] = {
    "add": 6,
    "mul": 6,
    **dict.fromkeys(["sub", "div"], 5),  # BroadcastSubSlow, BroadcastDivSlow
    "select": 5,  # BroadcastSelect5DSlow
    **dict.fromkeys(["maximum", "minimum"], 8),
    **dict.fromkeys(["pow", "floor_div", "mod", "squared_difference"], 4),
    **dict.fromkeys(["logical_and", "logical_or"], 4),
    **dict.fromkeys(["equal", "not_equal", "less", "less_equal", "greater", "greater_equal"], 4),
    "prelu": 4,
}


@legalizes(*BROADCAST_RANK)
def broadcast(node: Node, rewriter: Rewriter) -> Value | None:
    """Neighbouring dimensions in which the operands broadcast alike become one."""
    operands = [value for value in node.inputs if value is not None]
    limit, shape = BROADCAST_RANK[node.op], node.output.shape
    if len(shape) <= limit or len({value.shape for value in operands}) == 1:
        return None
    full = [(1,) * (len(shape) - value.rank) + value.shape for value in operands]
    groups = _groups(len(shape), lambda axis: tuple(one[axis] == 1 for one in full), shape)
    if len(groups) > limit:
        raise _too_many(node, limit)
    b = rewriter.builder
    merged = [b.op("reshape", v, shape=_merged(s, groups)) for v, s in zip(operands, full, strict=True)]
    return b.op("reshape", b.op(node.op, *merged, **node.attrs), shape=shape)


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


#: Ops that do something to some axes alone → (rank, attribute, what stands there for an axis left alone).
_AXIS_LIMITS: Final[dict[str, int]] = {"pad": 5, "slice": 5}


@legalizes("pad", "slice")
def untouched_axes(node: Node, rewriter: Rewriter) -> Value | None:
    """Neighbouring axes that a PAD or STRIDED_SLICE leaves alone become one."""
    x, limit = node.input(0), _AXIS_LIMITS[node.op]
    if x.rank <= limit:
        return None
    names = ("pads",) if node.op == "pad" else ("begin", "end", "strides")
    entries = [tuple(node.attrs[name][axis] for name in names) for axis in range(x.rank)]
    idle = ((0, 0),) if node.op == "pad" else (0, None, 1)
    groups = [[0]]
    for axis in range(1, x.rank):
        both = tuple(entries[axis]) == idle and tuple(entries[axis - 1]) == idle
        if both:
            groups[-1].append(axis)
        else:
            groups.append([axis])
    if len(groups) > limit:
        raise _too_many(node, limit)
    b = rewriter.builder
    attrs = {**node.attrs, **{name: tuple(node.attrs[name][group[0]] for group in groups) for name in names}}
    made = b.op(node.op, b.op("reshape", x, shape=_merged(x.shape, groups)), **attrs)
    return b.op("reshape", made, shape=node.output.shape)


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
