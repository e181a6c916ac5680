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
    Store,
    Texts,
    Variable,
    emits,
    emittable_ops,
    plain_name,
)
from kexport_targets.saved_model.emit.weights import Saver, Weights


def emit_graph(graph: Graph, *, store: Store = Program.constant) -> Program:
    """The GraphDef's operations. Inputs are placeholders and outputs identities, called as in the model, in the characters that
    names of nodes have. ``store`` keeps the weights; it is not given constants of a few bytes that rules make.

    Raises:
        kexport.errors.UnsupportedOpError: an op or a dtype has no place in the format.
    """
    e = Emitter(graph, store=store)
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
    "Saver",
    "Store",
    "Texts",
    "Variable",
    "Weights",
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
