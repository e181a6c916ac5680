"""Emission: one rule a graph op, a family a file."""

from __future__ import annotations

from collections.abc import Sequence

from kexport.ir import Graph, Value
from kexport_targets.coreml.emit import elementwise, linear, loop, recurrent, shape, window
from kexport_targets.coreml.emit.emitter import Emitter, emits, emittable_ops
from kexport_targets.coreml.program import Block, Tensor

#: What a classifier's outputs are called, as coremltools does: the label, and the probabilities by label.
LABEL, PROBABILITIES = "classLabel", "classLabel_probs"


def emit_graph(
    graph: Graph, *, version: int, labels: Sequence[str] = ()
) -> tuple[Block, list[Tensor], list[Tensor]]:
    """The program's block, and the tensors that are the model's inputs and outputs, in its order; with ``labels``, before the outputs,
    a classifier's.

    Raises:
        kexport.errors.UnsupportedOpError: an op or a dtype has no place in the format.
    """
    e = Emitter(graph, version=version, reserved=(LABEL, PROBABILITIES) if labels else ())
    e.block.inputs = [
        e.claim(value, name) for value, name in zip(graph.inputs, graph.input_names, strict=True)
    ]
    direct: set[Value] = set(graph.inputs)
    outputs: list[tuple[Value, Tensor]] = []
    for value, name in zip(graph.outputs, graph.output_names, strict=True):
        # A tensor has one name; a constant, an input, or one that is put out twice is handed on.
        own = value not in direct and value.constant is None
        outputs.append((value, e.claim(value, name) if own else e.named(name, value)))
        direct.add(value)
    for node in graph.nodes:
        e.emit(node)
    e.origin = ""
    for value, tensor in outputs:
        if e.tensor(value) is not tensor:
            e.op("identity", {"x": value}, tensor)
    e.block.outputs = [tensor.name for _, tensor in outputs]
    if labels:
        e.block.outputs[:0] = e.classify(outputs[0][1], labels, (LABEL, PROBABILITIES))
    return e.block, list(e.block.inputs), [tensor for _, tensor in outputs]


__all__ = [
    "LABEL",
    "PROBABILITIES",
    "Emitter",
    "elementwise",
    "emit_graph",
    "emits",
    "emittable_ops",
    "linear",
    "loop",
    "recurrent",
    "shape",
    "window",
]
