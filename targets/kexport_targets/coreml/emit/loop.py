"""Loops: ``while_loop``, whose variables are the step's number, what the steps computed so far, and the states."""

from __future__ import annotations

from kexport.ir import Graph, Node, Value
from kexport_targets.coreml.emit.emitter import Emitter, emits
from kexport_targets.coreml.emit.lengths import length
from kexport_targets.coreml.emit.recurrent import filled
from kexport_targets.coreml.program import Block, Tensor


@emits("scan")
def scan(e: Emitter, node: Node) -> None:
    """One loop. What a step computes is written into its row of a tensor that is there from the start; of sequences that nothing
    reads there is none."""
    body: Graph = node.attrs["body"]
    count, states = node.attrs["sequences"], node.attrs["states"]
    split = len(node.outputs) - states
    kept = [index for index in range(split) if e.is_read(node.outputs[index])]
    sequences = [_numbers(e, e.tensor(node.input(index))) for index in range(count)]
    initial = [
        e.number(0, "int32"),
        *(filled(e, _held(node.outputs[index].dtype), node.outputs[index].shape) for index in kept),
        *(e.tensor(node.input(index)) for index in range(count, count + states)),
    ]
    steps = length(e, node.input(0).shape[0])
    inner = e.nested(body)
    now = [inner.new("variable", tensor.dtype, tensor.shape) for tensor in initial]
    inner.block.inputs = now
    _bind(inner, node, sequences, now[1 + len(kept) :])
    for part in body.nodes:
        inner.emit(part)
    rows = [_written(inner, now, place, body.outputs[index]) for place, index in enumerate(kept)]
    following = inner.op("add", {"x": now[0], "y": inner.number(1, "int32")}, dtype="int32")
    after = [inner.tensor(value) for value in body.outputs[split:]]
    inner.block.outputs = [tensor.name for tensor in (following, *rows, *after)]
    e.origin = node.origin
    results = [e.new("loop", tensor.dtype, tensor.shape) for tensor in initial]
    e.loop(results, initial, _condition(e, initial, steps), inner.block)
    for tensor, index in zip(results[1 : 1 + len(kept)], kept, strict=True):
        _bound(e, node.outputs[index], tensor)
    for tensor, value in zip(results[1 + len(kept) :], node.outputs[split:], strict=True):
        e.bind(value, tensor)


def _bind(inner: Emitter, node: Node, sequences: list[Tensor], states: list[Tensor]) -> None:
    """Give the body's inputs what they are in this step: a row of each sequence, the states, and what is the same in every step."""
    body: Graph = node.attrs["body"]
    count = len(sequences)
    index = inner.block.inputs[0]
    inner.origin = node.origin
    for value, sequence in zip(body.inputs[:count], sequences, strict=True):
        given = {"x": sequence, "indices": index, "axis": 0}
        more = {"batch_dims": 0} if inner.version >= 16 else {}
        last = {"validate_indices": False} if inner.version >= 17 else {}
        row = inner.op("gather", {**given, **more, **last}, dtype=sequence.dtype, shape=value.shape)
        inner.bind(value, inner.cast(row, value.dtype))
    for value, state in zip(body.inputs[count : count + len(states)], states, strict=True):
        inner.bind(value, state)
    for value, outer in zip(
        body.inputs[count + len(states) :], node.inputs[count + len(states) :], strict=True
    ):
        assert outer is not None
        inner.bind(value, inner.outer(outer))


def _held(dtype: str) -> str:
    """What rows are kept in: ``scatter`` and ``gather`` have no bools."""
    return "int32" if dtype == "bool" else dtype


def _numbers(e: Emitter, x: Tensor) -> Tensor:
    return e.cast(x, _held(x.dtype))


def _written(inner: Emitter, now: list[Tensor], place: int, value: Value) -> Tensor:
    """The rows so far, with this step's."""
    buffer, made = now[1 + place], inner.tensor(value)
    row = inner.cast(made, buffer.dtype)
    row = inner.op("expand_dims", {"x": row, "axes": [0]}, dtype=row.dtype, shape=(1, *row.shape))
    where = inner.once(
        ("row", now[0].name),
        lambda: inner.op("expand_dims", {"x": now[0], "axes": [0]}, dtype="int32", shape=(1,)),
    )
    given = {"data": buffer, "indices": where, "updates": row, "axis": 0, "mode": "update"}
    more = {"validate_indices": False} if inner.version >= 17 else {}
    return inner.op("scatter", {**given, **more}, dtype=buffer.dtype, shape=buffer.shape)


def _condition(e: Emitter, initial: list[Tensor], steps: Tensor) -> Block:
    """Whether the step's number is less than the number of steps."""
    block = Block(inputs=[e.new("variable", tensor.dtype, tensor.shape) for tensor in initial])
    less = e.new("less", "bool", ())
    block.operations.append(e.operation("less", [less], {"x": block.inputs[0], "y": steps}))
    block.outputs.append(less.name)
    return block


def _bound(e: Emitter, value: Value, tensor: Tensor) -> None:
    """Let an output be the rows of all steps."""
    if value.dtype == tensor.dtype:
        e.bind(value, tensor)
    else:
        e.op("not_equal", {"x": tensor, "y": e.number(0, tensor.dtype)}, value)
