"""Emission: one rule a graph op, a family a file."""

from __future__ import annotations

from kexport.ir import Graph
from kexport_targets.tflite.emit import convolution, elementwise, loop, recurrent, shape
from kexport_targets.tflite.emit.emitter import Emitter, emits, emittable_ops
from kexport_targets.tflite.program import Program


def emit_program(graph: Graph, *, float16: bool = False) -> Program:
    """The program of a legalized graph.

    Raises:
        kexport.errors.UnsupportedOpError: an op or dtype has no place in the format.
    """
    emitter = Emitter(graph, float16=float16)
    emitter.subgraph.inputs = [emitter.tensor(value) for value in graph.inputs]
    for node in graph.nodes:
        emitter.emit(node)
    emitter.subgraph.outputs = [emitter.tensor(value) for value in graph.outputs]
    program = emitter.program
    program.input_names, program.output_names = graph.input_names, graph.output_names
    return program


__all__ = [
    "Emitter",
    "convolution",
    "elementwise",
    "emit_program",
    "emits",
    "emittable_ops",
    "loop",
    "recurrent",
    "shape",
]
