"""Takes scales and shifts (batch normalization, rescaling, normalization) up into kernels and biases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kexport.ir import Graph, Node, Value, dims
from kexport.ir.ops.convolution import channel_axis
from kexport.passes.affine import Affine, Constants
from kexport.passes.infrastructure import as_pass
from kexport.passes.kernels import KernelFolder, takes_shift
from kexport.passes.rewriting import Rewriter
from kexport.passes.views.shape_rules import reshape_runs
from kexport.passes.views.view import view_of

#: How many ops (pools, reshapes, …) between a scale and the kernel it is taken up by are looked through.
_REACH = 8


#: The largest shift that is moved before a scale: a float16 holds it.
_LARGEST_MOVED_SHIFT = 6e4


@dataclass(frozen=True)
class _Step:
    """An op on the way between a scale and a kernel: its other inputs, its attributes."""

    op: str
    rest: tuple[Value | None, ...]
    attrs: Mapping[str, Any]
    origin: str

    @classmethod
    def of(cls, node: Node, **attrs: Any) -> _Step:
        return cls(node.op, tuple(node.inputs[1:]), {**node.attrs, **attrs}, node.origin)


@dataclass(frozen=True)
class _Chain:
    """A value as ``source`` scaled and shifted by nodes that nobody else reads."""

    source: Value
    affine: Affine
    ops: tuple[str, ...]


class _Folder:
    def __init__(self) -> None:
        self.constants = Constants()
        self.kernels = KernelFolder(self.constants)
        self.chains: dict[Value, _Chain] = {}

    def rule(self, node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
        if self.kernels.folds(node):
            return self._fold_forward(node, rewriter)
        found = self.constants.affine(node)
        if found is None:
            return None
        x, affine = found
        folded = self._fold_back(x, affine, rewriter)
        return self._combine(node, x, affine, rewriter) if folded is None else [folded]

    def _fold_back(self, x: Value, affine: Affine, rewriter: Rewriter) -> Value | None:
        """``x`` scaled and shifted by the kernel that computes it; None where there is none within reach."""
        path: list[_Step] = []
        value = x
        for _ in range(_REACH):
            node = rewriter.sole_producer(value)
            if node is None:
                return None
            if self.kernels.folds(node):
                rewriter.builder.origin = node.origin
                made = self.kernels.after(rewriter.builder, node, affine)
                return None if made is None else _again(made, path[::-1], rewriter)
            before = _before(node, affine)
            if before is None:
                return None
            affine, step = before
            path.append(step)
            value = node.input(0)
        return None

    def _combine(self, node: Node, x: Value, affine: Affine, rewriter: Rewriter) -> Sequence[Value] | None:
        """A chain of scales and shifts as one of each, where that is fewer."""
        chain = _Chain(x, affine, (node.op,))
        earlier = self.chains.get(x) if rewriter.uses(x) == 1 else None
        joined = earlier.affine.then(affine) if earlier else None
        if earlier is not None and joined is not None:
            chain = _Chain(earlier.source, joined, (*earlier.ops, node.op))
        ops = ("mul",) * chain.affine.scales + ("add",) * chain.affine.shifts
        if len(ops) > len(chain.ops) or (len(ops) == len(chain.ops) and set(chain.ops) <= {"mul", "add"}):
            self.chains[node.output] = chain
            return None
        made = self.constants.emit(rewriter.builder, chain.source, chain.affine)
        if ops:
            self.chains[made] = replace(chain, ops=ops)
        return [made]

    def _fold_forward(self, node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
        """``node`` with the scale and shift before it, or, where padding comes between, with the scale."""
        path: list[Node] = []
        value = node.input(0)
        while value not in self.chains and len(path) < _REACH:
            before = rewriter.sole_producer(value)
            if before is None or not _moves_only(before):
                return None
            path.append(before)
            value = before.input(0)
        chain = self.chains.get(value)
        if chain is None or rewriter.uses(value) != 1:
            return None
        path.reverse()
        padded = not takes_shift(node) or any(step.op == "pad" for step in path)
        parts = _shift_first(chain.affine) if padded else (None, chain.affine)
        carried = _carried(parts[1], path) if parts else None
        if parts is None or carried is None or not self.kernels.takes(node, carried):
            return None
        source = (
            chain.source
            if parts[0] is None
            else self.constants.emit(rewriter.builder, chain.source, parts[0])
        )
        x = _again(source, [_Step.of(step) for step in path], rewriter)
        rewriter.builder.origin = node.origin
        return [self.kernels.before(rewriter.builder, node, x, carried)]


def _shift_first(affine: Affine) -> tuple[Affine | None, Affine] | None:
    """The shift to do before padding, and the scale that may be done after it; None where that saves nothing."""
    if not affine.shifts:
        return None, affine
    if not affine.scales or not np.all(affine.scale):
        return None
    shift = affine.shift / affine.scale
    if not np.all(np.abs(shift) < _LARGEST_MOVED_SHIFT):
        return None
    return replace(affine, scale=np.ones(()), shift=shift), replace(affine, shift=np.zeros(()))


def _again(value: Value, path: Sequence[_Step], rewriter: Rewriter) -> Value:
    """The steps, one after the other, on another value."""
    for step in path:
        rewriter.builder.origin = step.origin
        value = rewriter.builder.op(step.op, value, *step.rest, **step.attrs)
    return value


def _before(node: Node, affine: Affine) -> tuple[Affine, _Step] | None:
    """The scale and shift before ``node`` that do what ``affine`` does after it, and the step that it then is."""
    if view_of(node) is not None or node.op == "reshape":
        axis = _axis_before(node, affine.axis)
        return None if axis is None and affine.axis is not None else (affine.along(axis), _Step.of(node))
    if node.op in ("avg_pool", "max_pool", "resize"):
        return (affine, _Step.of(node)) if _pool_keeps(node, affine) else None
    if node.op == "slice":
        entries = list(zip(node.attrs["begin"], node.attrs["end"], node.attrs["strides"], strict=True))
        whole = affine.axis is None or entries[affine.axis] == (0, None, 1)
        return (affine, _Step.of(node)) if whole else None
    return _before_pad(node, affine) if node.op == "pad" else None


def _axis_before(node: Node, axis: int | None) -> int | None:
    if axis is None:
        return None
    view = view_of(node)
    if view is not None:
        return view.axes[axis]
    for old, new in reshape_runs(node.input(0).shape, node.output.shape):
        if new == [axis] and len(old) == 1:
            return old[0]
    return None


def _pool_keeps(node: Node, affine: Affine) -> bool:
    rank = node.output.rank
    if affine.axis not in (None, channel_axis(rank, node.attrs["data_format"])):
        return False
    if node.attrs.get("activation", "none") != "none":
        return False
    if node.op == "max_pool":
        return bool(np.all(affine.scale > 0))
    padding = node.attrs.get("padding", ())
    padded = padding == "same" or any(any(pair) for pair in padding)
    return not (node.op == "avg_pool" and node.attrs["count_include_pad"] and padded and affine.shifts)


def _before_pad(node: Node, affine: Affine) -> tuple[Affine, _Step] | None:
    if affine.axis is not None and any(node.attrs["pads"][affine.axis]):
        return None
    if node.attrs["mode"] != "constant":
        return affine, _Step.of(node)
    values = np.unique(affine.scale * node.attrs["value"] + affine.shift)
    return (affine, _Step.of(node, value=float(values[0]))) if len(values) == 1 else None


def _moves_only(node: Node) -> bool:
    """Whether ``node`` computes nothing and a scale before it is a scale after it."""
    if view_of(node) is not None or node.op == "reshape":
        return True
    return node.op == "pad" and node.attrs["mode"] == "constant" and node.attrs["value"] == 0


def _carried(affine: Affine, path: Sequence[Node]) -> Affine | None:
    """The scale and shift after ``path`` that do what ``affine`` does before it."""
    carried: Affine | None = affine
    for node in path:
        if carried is None:
            return None
        if node.op == "pad":
            carried = None if carried.axis is not None and any(node.attrs["pads"][carried.axis]) else carried
        elif (view := view_of(node)) is not None:
            if carried.axis is not None:
                where = view.axes.index(carried.axis) if carried.axis in view.axes else None
                carried = None if where is None else carried.along(where)
        else:
            carried = _through_reshape(node, carried)
    return carried


def _through_reshape(node: Node, affine: Affine) -> Affine | None:
    """Along the axis that a reshape merges the axis into: the vectors repeat."""
    if affine.axis is None:
        return affine
    before = node.input(0).shape
    for old, new in reshape_runs(before, node.output.shape):
        if affine.axis not in old:
            continue
        merged = tuple(before[axis] for axis in old)
        if len(new) != 1 or not dims.is_static(merged):
            return None
        lengths = [int(str(dim)) for dim in merged]
        where = [-1 if axis == affine.axis else 1 for axis in old]
        scale, shift = (
            np.broadcast_to(np.reshape(vector, where) if vector.ndim else vector, lengths).reshape(-1)
            for vector in (affine.scale, affine.shift)
        )
        return Affine(new[0], scale, shift)
    return None


@as_pass("fold_scale_shift")
def fold_scale_shift(graph: Graph) -> bool:
    """Take scales and shifts by constants along one axis up into the kernels and biases around them.

    Given::

        a = conv(x, kernel)
        b = mul(a, scale)
        c = add(b, shift)
        d = relu(c)
        e = mul(d, scale2)
        f = add(e, shift2)
        g = dense(f, weights, bias)

    Result::

        c = conv(x, kernel * scale, shift)
        d = relu(c)
        g = dense(d, weights * scale2, bias + shift2 @ weights)

    A value in between must have one reader. Backwards a scale passes pools (a maximum only if positive), reshapes
    that leave its axis alone, transposes, slices, resampling and pads of what it maps to itself. Forwards it passes
    reshapes (Flatten), transposes and pads of zeros; a shift is taken up only by a dense layer or a convolution that
    sees no padding, and one that isn't stays in front of the padding, as a single ``add``. Chains that no kernel
    takes up become one mul and one add.

    Kernels are scaled in float64, rounded once, and only when they are read.
    """
    return Rewriter(graph).run(_Folder().rule)
