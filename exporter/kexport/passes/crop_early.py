"""Computes only what a later crop keeps."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from kexport.ir import Builder, Dim, Graph, Node, Shape, Value
from kexport.ir.ops.convolution import spatial_axes
from kexport.passes.dead_code import remove_dead
from kexport.passes.infrastructure import as_pass
from kexport.passes.padding import Pads, explicit_padding, lengths_of, same_padding, window_of
from kexport.passes.views.elementwise_rules import BROADCASTING, UNARY

#: Elements left off each axis, (before, after).
Crop: TypeAlias = tuple[tuple[int, int], ...]

#: A copied element costs about as much as this many multiplications.
_COPY_COST = 4


@dataclass(frozen=True)
class _Step:
    """A node that leaves ``made`` off its output: what it leaves off each input, and its attributes then."""

    made: Crop
    taken: tuple[Crop | None, ...]
    attrs: Mapping[str, Any]


#: (node, what its readers leave off) → the step; the crop made may be smaller than the one wanted.
_Rule: TypeAlias = Callable[[Node, Crop], _Step]
_RULES: dict[str, _Rule] = {}


def _crops(*ops: str) -> Callable[[_Rule], _Rule]:
    def decorate(rule: _Rule) -> _Rule:
        _RULES.update(dict.fromkeys(ops, rule))
        return rule

    return decorate


def _none(rank: int) -> Crop:
    return ((0, 0),) * rank


def _kept(crop: Crop, axes: Sequence[int]) -> Crop:
    """``crop`` along ``axes`` alone."""
    return tuple(pair if axis in axes else (0, 0) for axis, pair in enumerate(crop))


def _whole(node: Node, wanted: Crop) -> _Step:
    """An op that reads and makes all."""
    taken = tuple(None if value is None else _none(value.rank) for value in node.inputs)
    return _Step(_none(node.outputs[0].rank), taken, node.attrs)


@_crops(*UNARY, "identity")
def _unary(node: Node, wanted: Crop) -> _Step:
    return _Step(wanted, (wanted,), node.attrs)


@_crops(*(op for op in BROADCASTING if op != "prelu"))
def _broadcasting(node: Node, wanted: Crop) -> _Step:
    """Operands of the length of the result are cropped like it; those of 1 are not."""
    shape = node.output.shape
    operands = [(1,) * (len(shape) - v.rank) + v.shape for v in node.inputs if v is not None]
    plain = [a for a, dim in enumerate(shape) if all(operand[a] in (dim, 1) for operand in operands)]
    made = _kept(wanted, plain)
    taken = tuple(_beneath(made, value, shape) for value in node.inputs if value is not None)
    return _Step(made, taken, node.attrs)


def _beneath(made: Crop, value: Value, shape: Shape) -> Crop:
    lead = len(shape) - value.rank
    return tuple(
        pair if dim == shape[lead + axis] else (0, 0)
        for axis, (dim, pair) in enumerate(zip(value.shape, made[lead:], strict=True))
    )


@_crops("conv", "depthwise_conv", "max_pool", "avg_pool")
def _window(node: Node, wanted: Crop) -> _Step:
    """Side by side, windows read what the result keeps and their reach around it; padding is cropped first."""
    pads = explicit_padding(node)
    axes = list(spatial_axes(node.output.rank, node.attrs["data_format"]))
    if pads is None:
        return _whole(node, wanted)
    movable = [axis for axis, stride in zip(axes, node.attrs["strides"], strict=True) if stride == 1]
    made = _kept(wanted, movable)
    own = _left(pads, [made[axis] for axis in axes])
    if node.op == "avg_pool" and own != pads and any(any(pair) for pair in own):
        return _whole(node, wanted)  # a mean beside some padding is costly where it is not `same`
    inner = list(_none(node.output.rank))
    for axis, before in zip(axes, pads, strict=True):
        inner[axis] = (max(made[axis][0] - before[0], 0), max(made[axis][1] - before[1], 0))
    rest = tuple(None if value is None else _none(value.rank) for value in node.inputs[1:])
    same = node.attrs["padding"] == "same" and own == same_padding(node, lengths_of(node))
    return _Step(made, (tuple(inner), *rest), {**node.attrs, "padding": "same" if same else own})


def _left(pads: Pads, crops: Sequence[tuple[int, int]]) -> Pads:
    return tuple((max(p[0] - c[0], 0), max(p[1] - c[1], 0)) for p, c in zip(pads, crops, strict=True))


@_crops("pad")
def _pad(node: Node, wanted: Crop) -> _Step:
    if node.attrs["mode"] != "constant":
        return _whole(node, wanted)
    pads = tuple((int(low), int(high)) for low, high in node.attrs["pads"])
    inner = tuple((max(c[0] - p[0], 0), max(c[1] - p[1], 0)) for c, p in zip(wanted, pads, strict=True))
    return _Step(wanted, (inner,), {**node.attrs, "pads": _left(pads, wanted)})


@_crops("slice")
def _slice(node: Node, wanted: Crop) -> _Step:
    """A crop takes its own elements off as well; along other axes it reads all."""
    crops = slice_crops(node)
    attrs = {name: list(node.attrs[name]) for name in ("begin", "end")}
    made, inner = [], []
    for axis, (own, pair) in enumerate(zip(crops, wanted, strict=True)):
        made.append((0, 0) if own is None else pair)
        inner.append((0, 0) if own is None else (own[0] + pair[0], own[1] + pair[1]))
        if own is not None:
            attrs["begin"][axis], attrs["end"][axis] = 0, None
    final = {**node.attrs, **{name: tuple(entries) for name, entries in attrs.items()}}
    return _Step(tuple(made), (tuple(inner),), final)


def slice_crops(node: Node) -> list[tuple[int, int] | None]:
    """What a ``slice`` takes off each axis, (before, after); None where it is no crop of a known size."""
    entries = zip(
        node.input(0).shape, node.attrs["begin"], node.attrs["end"], node.attrs["strides"], strict=True
    )
    return [_crop_of(*entry) for entry in entries]


def _crop_of(dim: Dim, begin: int, end: int | None, stride: int) -> tuple[int, int] | None:
    if isinstance(dim, int):
        kept = range(dim)[begin:end:stride]
        return (kept.start, dim - kept.stop) if stride == 1 and kept else None
    if stride != 1 or begin < 0 or (end is not None and end >= 0):
        return None
    return begin, -(end or 0)


@_crops("concat")
def _concat(node: Node, wanted: Crop) -> _Step:
    shape = node.output.shape
    plain = [
        axis
        for axis, dim in enumerate(shape)
        if axis != node.attrs["axis"] and all(v is not None and v.shape[axis] == dim for v in node.inputs)
    ]
    made = _kept(wanted, plain)
    return _Step(made, (made,) * len(node.inputs), node.attrs)


@_crops("softmax", "log_softmax", "layer_norm", "dense")
def _along_axes(node: Node, wanted: Crop) -> _Step:
    """Whole along the axes that are computed over."""
    rank = node.output.rank
    axes = node.attrs.get("axes", (node.attrs.get("axis", rank - 1),))
    made = _kept(wanted, [axis for axis in range(rank) if axis not in axes])
    rest = tuple(None if value is None else _none(value.rank) for value in node.inputs[1:])
    return _Step(made, (made, *rest), node.attrs)


@_crops("transpose")
def _transpose(node: Node, wanted: Crop) -> _Step:
    inner = list(_none(len(wanted)))
    for axis, base in enumerate(node.attrs["perm"]):
        inner[base] = wanted[axis]
    return _Step(wanted, (tuple(inner),), node.attrs)


@_crops("expand_dims")
def _expand_dims(node: Node, wanted: Crop) -> _Step:
    axes = node.attrs["axes"]
    kept = [axis for axis in range(len(wanted)) if axis not in axes]
    return _Step(_kept(wanted, kept), (tuple(wanted[axis] for axis in kept),), node.attrs)


@_crops("squeeze")
def _squeeze(node: Node, wanted: Crop) -> _Step:
    rest = iter(wanted)
    axes = node.attrs["axes"]
    rank = node.input(0).rank
    return _Step(wanted, (tuple((0, 0) if a in axes else next(rest) for a in range(rank)),), node.attrs)


@dataclass
class _Plan:
    """The steps of a graph's nodes, and what all readers of a value leave off it."""

    steps: dict[Node, _Step] = field(default_factory=dict)
    wanted: dict[Value, Crop] = field(default_factory=dict)

    @classmethod
    def of(cls, graph: Graph) -> _Plan:
        plan = cls()
        for value in graph.outputs:
            plan.wanted[value] = _none(value.rank)
        for node in reversed(graph.nodes):
            out = node.outputs[0]
            rule = _RULES.get(node.op, _whole) if len(node.outputs) == 1 else _whole
            step = rule(node, plan.wanted.get(out, _none(out.rank)))
            plan.steps[node] = step
            for read, crop in zip(node.inputs, step.taken, strict=True):
                if read is not None and crop is not None:
                    plan._want(read, crop)
        return plan

    def _want(self, value: Value, crop: Crop) -> None:
        other = self.wanted.get(value, crop)
        pairs = zip(crop, other, strict=True)
        self.wanted[value] = tuple((min(a[0], b[0]), min(a[1], b[1])) for a, b in pairs)

    def made(self, value: Value) -> Crop:
        """What is left off a value when it is computed."""
        return self.steps[value.producer].made if value.producer in self.steps else _none(value.rank)

    def saves(self) -> bool:
        """Whether the multiplications that are spared outweigh the elements that crops then copy.

        Both are counted for lengths of twice the largest crop, where they are unknown.
        """
        typical = 2 * max((sum(pair) for crop in self.wanted.values() for pair in crop), default=0)
        spared = copied = 0.0
        for node, step in self.steps.items():
            spared += _work(node) * _share(node.outputs[0].shape, step.made, typical)
            for value, crop in zip(node.inputs, step.taken, strict=True):
                if value is not None and crop is not None and crop != self.made(value):
                    copied += _count(value.shape, typical)
            if node.op == "slice":
                copied -= _count(node.output.shape, typical)
        return spared > _COPY_COST * copied and spared > 0


def _count(shape: Shape, typical: int) -> float:
    return math.prod(dim if isinstance(dim, int) else typical for dim in shape)


def _share(shape: Shape, made: Crop, typical: int) -> float:
    """The elements that ``made`` leaves off a tensor of that shape."""
    kept = tuple(
        max((dim if isinstance(dim, int) else typical) - sum(pair), 0)
        for dim, pair in zip(shape, made, strict=True)
    )
    return _count(shape, typical) - math.prod(kept)


def _work(node: Node) -> float:
    """Multiplications an element of the output."""
    if node.op in ("conv", "depthwise_conv"):
        return math.prod(window_of(node)) * (int(str(node.input(1).shape[-2])) if node.op == "conv" else 1)
    return float(int(str(node.input(1).shape[0]))) if node.op == "dense" else 1.0


class _Cropper:
    """Builds the nodes of a plan."""

    def __init__(self, graph: Graph, plan: _Plan) -> None:
        self.graph, self.plan = graph, plan
        self.builder = Builder.for_graph(graph)
        self.values: dict[Value, Value] = {}
        self.slices: dict[tuple[Value, Crop], Value] = {}

    def run(self) -> None:
        for node in self.graph.nodes:
            self._build(node)
        graph = self.graph
        graph.nodes = self.builder.nodes
        graph.outputs = [self.values.get(value, value) for value in graph.outputs]
        kept = {
            path: self.values.get(value, value)
            for path, value in graph.layer_outputs.items()
            if not any(map(any, self.plan.made(value)))
        }
        graph.layer_outputs = kept
        remove_dead(graph)

    def _build(self, node: Node) -> None:
        step = self.plan.steps[node]
        self.builder.origin = node.origin
        inputs = [
            None if value is None or crop is None else self._read(value, crop)
            for value, crop in zip(node.inputs, step.taken, strict=True)
        ]
        if inputs == node.inputs and dict(step.attrs) == node.attrs:
            self.builder.nodes.append(node)
            return
        if node.op == "slice" and all(pair == (0, 0) for pair in _remaining(step.attrs)):
            assert inputs[0] is not None
            self.values[node.output] = inputs[0]
            return
        made = self.builder.ops(node.op, *inputs, **step.attrs)
        self.values.update(zip(node.outputs, made, strict=True))

    def _read(self, value: Value, crop: Crop) -> Value:
        """``value`` with ``crop`` left off, of which some was never made."""
        made = self.plan.made(value)
        base = self.values.get(value, value)
        rest = tuple((c[0] - m[0], c[1] - m[1]) for c, m in zip(crop, made, strict=True))
        if not any(map(any, rest)):
            return base
        if (base, rest) not in self.slices:
            begin = tuple(before for before, _ in rest)
            end = tuple(-after if after else None for _, after in rest)
            self.slices[base, rest] = self.builder.op(
                "slice", base, begin=begin, end=end, strides=(1,) * base.rank
            )
        return self.slices[base, rest]


def _remaining(attrs: Mapping[str, Any]) -> list[object]:
    """(0, 0) for each axis along which a slice is everything."""
    entries = zip(attrs["begin"], attrs["end"], attrs["strides"], strict=True)
    return [(0, 0) if entry == (0, None, 1) else entry for entry in entries]


@as_pass("crop_early")
def crop_early(graph: Graph) -> bool:
    """Crop before computing, as far as that spares work.

    Given::

        a = conv(x, k1; padding="same")     # windows of 11; x: (batch, 1, length, 32)
        b = relu(a)
        c = conv(b, k2; padding="same")     # windows of 11
        d = add(c, x)
        e = slice(d, 10, -10)               # along the length

    Result::

        a = conv(x, k1; padding=0)          # length - 10
        b = relu(a)
        c = conv(b, k2; padding=0)          # length - 20
        f = slice(x, 10, -10)
        e = add(c, f)

    A crop passes elementwise ops, dense layers, softmax and normalization along other axes, pads, and convolutions and
    pools that step by 1, which take off their padding first. What several readers want is cropped by what none of them
    wants, and each takes off its own rest. Layer outputs that are no longer computed whole are dropped.
    """
    if not any(
        node.op == "slice" and any(pair and any(pair) for pair in slice_crops(node)) for node in graph.nodes
    ):
        return False
    plan = _Plan.of(graph)
    moved = any(any(map(any, step.made)) for step in plan.steps.values())
    if not moved or not plan.saves():
        return False
    _Cropper(graph, plan).run()
    return True
