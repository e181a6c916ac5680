"""Emission: one rule a graph op, a family a file."""

from __future__ import annotations

from kexport.ir import Graph, Node
from kexport.ir.ops.loop import bodies
from kexport_targets.onnx.emit import (
    attention,
    elementwise,
    linear,
    normalization,
    recurrent,
    shape,
    text,
    window,
)
from kexport_targets.onnx.emit.emitter import Body, Emitter, emits, emittable_ops


def needed_opset(graph: Graph) -> int:
    """The first operator set that has all of a legalized graph's operators, whatever came before the oldest."""
    nodes = [
        node
        for inner in (graph, *(body for node in graph.nodes for body in bodies(node.attrs)))
        for node in inner.nodes
    ]
    return max(map(_since, nodes), default=0)


def _since(node: Node) -> int:
    if node.op in ("equal", "not_equal") and node.input(0).dtype == "string":
        return elementwise.EQUAL_TEXT
    return elementwise.SINCE.get(node.op, text.SINCE.get(node.op, 0))


def emit_graph(graph: Graph, *, opset: int) -> Body:
    """The file's graph, its inputs and outputs by the names that the model has for them.

    Raises:
        kexport.errors.UnsupportedOpError: an op or a dtype has no place in the format.
    """
    e = Emitter(graph, opset=opset)
    for value, name in zip(graph.inputs, graph.input_names, strict=True):
        e.claim(value, name)
    claimed = set(graph.input_names)
    seen = set(graph.inputs)
    direct = []
    for value, name in zip(graph.outputs, graph.output_names, strict=True):
        # A tensor has one name; a constant, an input, or one that is put out twice is handed on.
        is_own = value not in seen and value.constant is None and name not in claimed
        direct.append(is_own)
        if is_own:
            e.claim(value, name)
            claimed.add(name)
            seen.add(value)
    e.body.inputs = [(e.name(value), value) for value in graph.inputs]
    for node in graph.nodes:
        e.emit(node)
    for value, name, is_own in zip(graph.outputs, graph.output_names, direct, strict=True):
        out = name if is_own or name not in claimed else f"{name}/output"
        if not is_own:
            e.op("Identity", [value], [out])
        e.body.outputs.append((out, value))
    return e.body


__all__ = [
    "Body",
    "Emitter",
    "attention",
    "elementwise",
    "emit_graph",
    "emits",
    "emittable_ops",
    "linear",
    "needed_opset",
    "normalization",
    "recurrent",
    "shape",
    "text",
    "window",
]
