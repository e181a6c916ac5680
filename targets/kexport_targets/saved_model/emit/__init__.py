"""Emission: one rule a graph op, a family a file."""

from __future__ import annotations

from kexport.ir import Graph
from kexport_targets.saved_model.emit import elementwise, linear, loop, shape, window
from kexport_targets.saved_model.emit.emitter import (
    Dims,
    DType,
    Emitter,
    Operation,
    Program,
    emits,
    emittable_ops,
    plain_name,
)


def emit_graph(graph: Graph) -> Program:
    """The GraphDef's operations. Inputs are placeholders and outputs identities, called as in the model, in the characters that
    names of nodes have.

    Raises:
        kexport.errors.UnsupportedOpError: an op or a dtype has no place in the format.
    """
    e = Emitter(graph)
    for value, name in zip(graph.inputs, graph.input_names, strict=True):
        e.program.inputs.append(f"{e.placeholder(value, e.fresh(name))}:0")
    results = [e.fresh(name) for name in graph.output_names]
    for node in graph.nodes:
        e.emit(node)
    for value, name in zip(graph.outputs, results, strict=True):
        e.op("Identity", [value], name=name)
        e.program.outputs.append(f"{name}:0")
    return e.program


__all__ = [
    "DType",
    "Dims",
    "Emitter",
    "Operation",
    "Program",
    "elementwise",
    "emit_graph",
    "emits",
    "emittable_ops",
    "linear",
    "loop",
    "plain_name",
    "shape",
    "window",
]
