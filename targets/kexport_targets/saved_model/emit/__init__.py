"""Emission: one rule a graph op, a family a file."""

from __future__ import annotations

from kexport.ir import Graph
from kexport_targets.saved_model.emit import elementwise, linear, lookup, loop, shape, text, window
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
from kexport_targets.saved_model.emit.images import add_images
from kexport_targets.saved_model.emit.weights import Saver, Weights
from kexport_targets.saved_model.images import ImageSignature


def emit_graph(
    graph: Graph, *, store: Store = Program.constant, tables: bool = False
) -> tuple[Emitter, Program]:
    """The GraphDef's operations. Inputs are placeholders and outputs identities, called as in the model, in the characters that
    names of nodes have. ``store`` keeps the weights; it is not given constants of a few bytes that rules make. ``tables``: something is
    run when the model is loaded, and can fill hash tables.

    Raises:
        kexport.errors.UnsupportedOpError: an op or a dtype has no place in the format.
    """
    e = Emitter(graph, store=store, program=Program(tables=tables))
    for value, name in zip(graph.inputs, graph.input_names, strict=True):
        e.program.inputs.append(f"{e.placeholder(value, e.fresh(name))}:0")
    results = [e.fresh(name) for name in graph.output_names]
    e.program.outputs += _computed(e, results)
    return e, e.program


def emit_for_images(e: Emitter, images: ImageSignature) -> tuple[str, list[str]]:
    """Add the graph that ``e`` has emitted once more, for an input that is decoded from images; the tensors of the encoded images and
    of the outputs. Weights and the other inputs are shared.

    (What TensorFlow's optimizers add may depend on an input by control, which feeding it does not cut unless it is a placeholder:
    one graph for both, fed in the middle, would ask for images where there are none.)
    """
    graph, again = e.graph, e.again(images.name)
    encoded, decoded = add_images(again, images)
    again.bind(graph.inputs[graph.input_names.index(images.input_name)], decoded)
    results = [again.fresh(name) for name in graph.output_names]
    return f"{encoded}:0", _computed(again, results)


def _computed(e: Emitter, results: list[str]) -> list[str]:
    for node in e.graph.nodes:
        e.emit(node)
    for value, name in zip(e.graph.outputs, results, strict=True):
        e.op("Identity", [value], name=name)
    return [f"{name}:0" for name in results]


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
    "emit_for_images",
    "emit_graph",
    "emits",
    "emittable_ops",
    "linear",
    "lookup",
    "loop",
    "plain_name",
    "shape",
    "text",
    "window",
]
