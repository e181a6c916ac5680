"""Loops: a ``scan`` is a WHILE over builtins, its condition and its body subgraphs of their own.

The loop's variables are, in this order: the step's number, the sequences, the states, the constants, and a buffer for each output
that is read. What the body returns as it got it is not copied from step to step (LiteRT tflite/kernels/while.cc, Prepare_impl,
commit f67457790c9c).
"""

from __future__ import annotations

from dataclasses import dataclass

from kexport.ir import Graph, Node, TensorType, Value
from kexport_targets.tflite import schema
from kexport_targets.tflite.emit.emitter import Emitter, emits
from kexport_targets.tflite.emit.lengths import scalar, shape_vector

_SCALAR = TensorType("int32", ())


@dataclass(frozen=True)
class _Loop:
    """The parts of a ``scan``; ``kept`` are the outputs (sequences) that something reads."""

    node: Node
    kept: list[int]

    @property
    def body(self) -> Graph:
        graph: Graph = self.node.attrs["body"]
        return graph

    @property
    def sequences(self) -> list[Value]:
        return [self.node.input(index) for index in range(self.node.attrs["sequences"])]

    @property
    def others(self) -> list[Value]:
        """The states and the constants."""
        return [self.node.input(index) for index in range(len(self.sequences), len(self.node.inputs))]

    def variables(self) -> list[TensorType]:
        """The types of the loop's variables."""
        buffers = [self.node.outputs[index].type for index in self.kept]
        return [_SCALAR, *(v.type for v in self.sequences), *(v.type for v in self.others), *buffers]


@emits("scan")
def scan(e: Emitter, node: Node) -> None:
    """WHILE."""
    outer = len(node.outputs) - node.attrs["states"]
    loop = _Loop(node, [index for index in range(outer) if e.reads(node.outputs[index])])
    condition = _condition(e, loop)
    body = _body(e, loop)
    start = scalar(e, 0, "int32", "first")
    buffers = [_zeros(e, node.outputs[index]) for index in loop.kept]
    inputs: list[Value | int | None] = [start, *loop.sequences, *loop.others, *buffers]
    results: list[Value | int] = [
        e.scratch("steps", _SCALAR),
        *(e.scratch("sequence", value.type) for value in loop.sequences),
        *node.outputs[outer:],
        *(e.scratch("constant", value.type) for value in loop.others[node.attrs["states"] :]),
        *(node.outputs[index] for index in loop.kept),
    ]
    indices = {"cond_subgraph_index": condition, "body_subgraph_index": body}
    e.op("WHILE", inputs, results, "WhileOptions", **indices)


def _zeros(e: Emitter, value: Value) -> int:
    buffer = e.scratch("buffer", value.type)
    inputs: list[Value | int | None] = [scalar(e, 0, value.dtype, "zero"), shape_vector(e, value.shape)]
    e.op("BROADCAST_TO", inputs, [buffer], "BroadcastToOptions", version=2)
    return buffer


def _condition(e: Emitter, loop: _Loop) -> int:
    """``step < length``; the index of its subgraph."""
    inner = e.nested(Graph("condition", [], [], [], [], []), f"{loop.node.origin}/condition")
    variables = [inner.scratch("variable", tensor_type) for tensor_type in loop.variables()]
    length = loop.sequences[0].shape[0]
    limit = (
        scalar(inner, length, "int32", "length")
        if isinstance(length, int)
        else _length(inner, variables[1], loop)
    )
    more = inner.scratch("more", TensorType("bool", ()))
    inner.op("LESS", [variables[0], limit], [more], "LessOptions")
    inner.subgraph.inputs, inner.subgraph.outputs = variables, [more]
    return inner.index


def _length(e: Emitter, sequence: int, loop: _Loop) -> int:
    """The first dimension of a tensor."""
    shape = e.scratch("shape", TensorType("int32", (loop.sequences[0].rank,)))
    e.op("SHAPE", [sequence], [shape], "ShapeOptions", out_type=schema.TENSOR_TYPES["int32"])
    length = e.scratch("length", _SCALAR)
    bounds = [e.ints([number], "length") for number in (0, 1, 1)]
    e.op("STRIDED_SLICE", [shape, *bounds], [length], "StridedSliceOptions", shrink_axis_mask=1)
    return length


def _body(e: Emitter, loop: _Loop) -> int:
    """One step; the index of its subgraph."""
    node, body = loop.node, loop.body
    inner = e.nested(body, f"{node.origin}/body")
    count, states = node.attrs["sequences"], node.attrs["states"]
    step = inner.scratch("step", _SCALAR)
    sequences = [inner.scratch("sequence", value.type) for value in loop.sequences]
    others = [inner.tensor(value) for value in body.inputs[count:]]
    buffers = [inner.scratch("buffer", node.outputs[index].type) for index in loop.kept]
    inner.subgraph.inputs = [step, *sequences, *others, *buffers]
    for sequence, value in zip(sequences, body.inputs[:count], strict=True):
        inner.op("GATHER", [sequence, step], [value], "GatherOptions", axis=0)
    for inside in body.nodes:
        inner.emit(inside)
    filled = []
    for buffer, index in zip(buffers, loop.kept, strict=True):
        filled.append(_write(inner, buffer, node.outputs[index].type, body.outputs[index], step))
    after = _states(inner, body.outputs[len(body.outputs) - states :])
    following = inner.scratch("next", _SCALAR)
    inner.op("ADD", [step, scalar(inner, 1, "int32", "one")], [following], "AddOptions")
    inner.subgraph.outputs = [following, *sequences, *after, *others[states:], *filled]
    return inner.index


def _states(e: Emitter, values: list[Value]) -> list[int]:
    """The tensors of the new states, each one its own: what is an input, a constant or returned already is copied."""
    found: list[int] = []
    for value in values:
        tensor = e.tensor(value)
        if tensor in e.subgraph.inputs or tensor in found or value.constant is not None:
            copy = e.scratch("state", value.type)
            e.op("RESHAPE", [tensor, shape_vector(e, value.shape)], [copy], "ReshapeOptions")
            tensor = copy
        found.append(tensor)
    return found


def _write(e: Emitter, buffer: int, whole: TensorType, value: Value, step: int) -> int:
    """The buffer, of type ``whole``, with ``value`` at ``step``."""
    row = e.scratch("row", TensorType(value.dtype, (1, *value.shape)))
    e.op("RESHAPE", [value, shape_vector(e, (1, *value.shape))], [row], "ReshapeOptions")
    start = e.scratch("start", TensorType("int32", (value.rank + 1,)))
    zero = scalar(e, 0, "int32", "zero")
    e.op("PACK", [step, *[zero] * value.rank], [start], "PackOptions", values_count=value.rank + 1, axis=0)
    filled = e.scratch("filled", whole)
    e.op("DYNAMIC_UPDATE_SLICE", [buffer, row, start], [filled], "DynamicUpdateSliceOptions")
    return filled
