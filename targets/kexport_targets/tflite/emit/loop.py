"""Loops: a ``scan`` is a WHILE over builtins, its condition and its body subgraphs of their own.

A WHILE copies each of its variables after every step, but those that the body returns as it got them (LiteRT
tflite/kernels/while.cc, Prepare_impl and Eval_static, commit f67457790c9c); DYNAMIC_UPDATE_SLICE in a body copies what it updates. A
buffer for the outputs of all steps would thus be copied twice a step. So a long loop is several WHILEs one after the other, each with a
buffer for its own steps alone, that share their subgraphs; the buffers are joined in the end.

The variables are, in this order: the number of the step, that of the last step but one, the place in the buffers and how far it moves in a
step (both a vector for each buffer), the sequences, the states, the constants, and the buffers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from kexport.ir import Dim, Graph, Node, Shape, TensorType, Value, dims, dtypes
from kexport_targets.tflite import schema
from kexport_targets.tflite.emit.emitter import Emitter, emits
from kexport_targets.tflite.emit.lengths import scalar, shape_vector

_SCALAR = TensorType("int32", ())

#: Steps of a block: as many rows as square up to this. To start a WHILE costs about as much as copying 200 kB does, and with b steps
#: of r bytes each a step copies 2 b r and bears a b-th of a start (measured with LiteRT 2.3.0 on x86-64: the best block of an LSTM has
#: 25 steps at 64 units, 10 at 256, to within 2 % over a factor of 2).
_BLOCK_BYTES: Final = 100_000

#: A loop is cut into this many blocks at most: each is an operator, and prepared when the file is loaded.
_MOST_BLOCKS: Final = 64


@dataclass(frozen=True)
class _Buffer:
    """Where the outputs of a block's steps are put down: (steps * n, …) for outputs (n, …), (steps,) for numbers."""

    dtype: str
    step: Shape

    def type(self, steps: Dim) -> TensorType:
        """The type of the buffer for that many steps."""
        return TensorType(self.dtype, (dims.multiply(steps, self.step[0]), *self.step[1:]))

    @property
    def place(self) -> TensorType:
        """The type of a place in it."""
        return TensorType("int32", (len(self.step),))


def _buffer(value: Value) -> _Buffer:
    """The buffer of a sequence (time, …)."""
    return _Buffer(value.dtype, value.shape[1:] or (1,))


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
    def states(self) -> list[Value]:
        count = len(self.sequences)
        return [self.node.input(index) for index in range(count, count + self.node.attrs["states"])]

    @property
    def constants(self) -> list[Value]:
        known = len(self.sequences) + len(self.states)
        return [self.node.input(index) for index in range(known, len(self.node.inputs))]

    @property
    def length(self) -> Dim:
        """How many steps there are."""
        return self.sequences[0].shape[0]

    @property
    def buffers(self) -> list[_Buffer]:
        return [_buffer(self.node.outputs[index]) for index in self.kept]

    def block(self) -> Dim:
        """How many steps a block has."""
        row = sum(_bytes(self.node.outputs[index]) for index in self.kept)
        if not isinstance(self.length, int) or not row:
            return self.length
        steps = max(1, round(math.sqrt(_BLOCK_BYTES / row)), math.ceil(self.length / _MOST_BLOCKS))
        return math.ceil(self.length / math.ceil(self.length / steps))

    def blocks(self) -> Iterator[tuple[int, Dim]]:
        """First step and number of steps of each block."""
        block = self.block()
        if not isinstance(self.length, int) or not isinstance(block, int):
            yield 0, self.length
            return
        for first in range(0, self.length, max(block, 1)):
            yield first, min(block, self.length - first)

    def variables(self) -> list[TensorType]:
        """The types of the loop's variables."""
        places = [buffer.place for buffer in self.buffers]
        values = [value.type for value in (*self.sequences, *self.states, *self.constants)]
        block = self.block()
        return [_SCALAR, _SCALAR, *places, *places, *values, *(buffer.type(block) for buffer in self.buffers)]


def _bytes(sequence: Value) -> int:
    """Bytes of a step; unknown dimensions count as 1."""
    known = math.prod(dim for dim in sequence.shape[1:] if isinstance(dim, int))
    return known * dtypes.itemsize(sequence.dtype)


@emits("scan")
def scan(e: Emitter, node: Node) -> None:
    """WHILE, once or block after block."""
    outer = len(node.outputs) - node.attrs["states"]
    loop = _Loop(node, [index for index in range(outer) if e.reads(node.outputs[index])])
    indices = {"cond_subgraph_index": _condition(e, loop), "body_subgraph_index": _body(e, loop)}
    empty = [_zeros(e, buffer.type(loop.block())) for buffer in loop.buffers]
    strides = [shape_vector(e, (buffer.step[0], *[0] * (len(buffer.step) - 1))) for buffer in loop.buffers]
    places = [e.ints([0] * len(buffer.step), "place") for buffer in loop.buffers]
    states: list[Value | int] = list(loop.states)
    filled: list[list[int]] = [[] for _ in loop.kept]
    blocks = list(loop.blocks())
    for first, steps in blocks:
        limit = _limit(e, loop, first, steps)
        inputs = [scalar(e, first, "int32", "first"), limit, *places, *strides]
        results = [e.scratch("number", _SCALAR) for _ in range(2)]
        results += [e.scratch("place", buffer.place) for buffer in loop.buffers * 2]
        after: list[Value | int] = [e.scratch("state", state.type) for state in loop.states]
        if (first, steps) == blocks[-1]:
            after = list(node.outputs[outer:])
        made = [e.scratch("buffer", buffer.type(loop.block())) for buffer in loop.buffers]
        kept = [e.scratch("unchanged", value.type) for value in (*loop.sequences, *loop.constants)]
        cut = len(loop.sequences)
        e.op(
            "WHILE",
            [*inputs, *loop.sequences, *states, *loop.constants, *empty],
            [*results, *kept[:cut], *after, *kept[cut:], *made],
            "WhileOptions",
            **indices,
        )
        states = after
        for column, buffer, tensor in zip(filled, loop.buffers, made, strict=True):
            column.append(_first(e, buffer, tensor, loop.block(), steps))
    for index, column in zip(loop.kept, filled, strict=True):
        _join(e, column, node.outputs[index])


def _limit(e: Emitter, loop: _Loop, first: int, steps: Dim) -> int:
    """The number of the step that a block no longer does."""
    if isinstance(steps, int):
        return scalar(e, first + steps, "int32", "limit")
    return _length(e, loop.sequences[0])


def _length(e: Emitter, sequence: Value) -> int:
    """The first dimension of a tensor."""
    shape = e.scratch("shape", TensorType("int32", (sequence.rank,)))
    e.op("SHAPE", [sequence], [shape], "ShapeOptions", out_type=schema.TENSOR_TYPES["int32"])
    length = e.scratch("length", _SCALAR)
    bounds = [e.ints([number], "length") for number in (0, 1, 1)]
    e.op("STRIDED_SLICE", [shape, *bounds], [length], "StridedSliceOptions", shrink_axis_mask=1)
    return length


def _zeros(e: Emitter, wanted: TensorType) -> int:
    zeros = e.scratch("zeros", wanted)
    inputs: list[Value | int | None] = [scalar(e, 0, wanted.dtype, "zero"), shape_vector(e, wanted.shape)]
    e.op("BROADCAST_TO", inputs, [zeros], "BroadcastToOptions", version=2)
    return zeros


def _first(e: Emitter, buffer: _Buffer, tensor: int, block: Dim, steps: Dim) -> int:
    """What that many steps have put into a buffer for a block."""
    if steps == block:
        return tensor
    wanted = buffer.type(steps)
    part = e.scratch("part", wanted)
    e.op("SLICE", [tensor, e.ints([0] * len(buffer.step), "place"), shape_vector(e, wanted.shape)], [part])
    return part


def _join(e: Emitter, parts: list[int], sequence: Value) -> None:
    """The blocks' buffers as the sequence (time, …)."""
    whole = parts[0]
    if len(parts) > 1:
        whole = e.scratch("joined", _buffer(sequence).type(sequence.shape[0]))
        e.op("CONCATENATION", parts, [whole], "ConcatenationOptions", axis=0)
    e.op("RESHAPE", [whole, shape_vector(e, sequence.shape)], [sequence], "ReshapeOptions")


def _condition(e: Emitter, loop: _Loop) -> int:
    """``step < limit``; the index of its subgraph."""
    inner = e.nested(Graph("condition", [], [], [], [], []), f"{loop.node.origin}/condition")
    variables = [inner.scratch("variable", tensor_type) for tensor_type in loop.variables()]
    more = inner.scratch("more", TensorType("bool", ()))
    inner.op("LESS", variables[:2], [more], "LessOptions")
    inner.subgraph.inputs, inner.subgraph.outputs = variables, [more]
    return inner.index


def _body(e: Emitter, loop: _Loop) -> int:
    """One step; the index of its subgraph."""
    body, block = loop.body, loop.block()
    inner = e.nested(body, f"{loop.node.origin}/body")
    count = len(loop.sequences)
    step, limit = (inner.scratch(name, _SCALAR) for name in ("step", "limit"))
    places = [inner.scratch("place", buffer.place) for buffer in loop.buffers]
    strides = [inner.scratch("stride", buffer.place) for buffer in loop.buffers]
    sequences = [inner.scratch("sequence", value.type) for value in loop.sequences]
    others = [inner.tensor(value) for value in body.inputs[count:]]
    buffers = [inner.scratch("buffer", buffer.type(block)) for buffer in loop.buffers]
    inner.subgraph.inputs = [step, limit, *places, *strides, *sequences, *others, *buffers]
    for sequence, value in zip(sequences, body.inputs[:count], strict=True):
        inner.op("GATHER", [sequence, step], [value], "GatherOptions", axis=0)
    for inside in body.nodes:
        inner.emit(inside)
    filled = []
    for index, buffer, tensor, place in zip(loop.kept, loop.buffers, buffers, places, strict=True):
        filled.append(_write(inner, tensor, buffer.type(block), body.outputs[index], place))
    after = _states(inner, body.outputs[len(body.outputs) - len(loop.states) :])
    following = _sum(inner, step, scalar(inner, 1, "int32", "one"), _SCALAR)
    moved = [
        _sum(inner, *pair, loop.buffers[i].place) for i, pair in enumerate(zip(places, strides, strict=True))
    ]
    constants = others[len(loop.states) :]
    inner.subgraph.outputs = [following, limit, *moved, *strides, *sequences, *after, *constants, *filled]
    return inner.index


def _sum(e: Emitter, left: int, right: int, wanted: TensorType) -> int:
    total = e.scratch("next", wanted)
    e.op("ADD", [left, right], [total], "AddOptions")
    return total


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


def _write(e: Emitter, buffer: int, whole: TensorType, value: Value, place: int) -> int:
    """The buffer, of type ``whole``, with ``value`` at ``place``."""
    row: Value | int = value
    if not value.shape:
        row = e.scratch("row", TensorType(value.dtype, (1,)))
        e.op("RESHAPE", [value, e.ints([1])], [row], "ReshapeOptions")
    filled = e.scratch("filled", whole)
    e.op("DYNAMIC_UPDATE_SLICE", [buffer, row, place], [filled], "DynamicUpdateSliceOptions")
    return filled
