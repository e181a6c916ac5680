"""Emission: one rule a graph op, a family a file."""

from __future__ import annotations

from collections.abc import Mapping

from kexport.ir import Graph
from kexport_targets.tflite.emit import convolution, elementwise, loop, recurrent, shape
from kexport_targets.tflite.emit.emitter import Emitter, emits, emittable_ops
from kexport_targets.tflite.program import Program, ProgramSignature


def emit_program(graph: Graph, *, float16: bool = False, also: Mapping[str, Graph] | None = None) -> Program:
    """The program of a legalized graph.

    Args:
        graph: the model, the signature ``serving_default``.
        float16: whether weights are stored in half precision.
        also: further legalized graphs by the names of their signatures; constants that they share with ``graph`` are
            stored once.

    Raises:
        kexport.errors.UnsupportedOpError: an op or dtype has no place in the format.
    """
    program = Program(graph.name)
    for key, one in {"serving_default": graph, **(also or {})}.items():
        emitter = Emitter(one, float16=float16, program=program, name="main" if one is graph else key)
        emitter.subgraph.inputs = [emitter.tensor(value) for value in one.inputs]
        for node in one.nodes:
            emitter.emit(node)
        emitter.subgraph.outputs = [emitter.tensor(value) for value in one.outputs]
        program.signatures.append(ProgramSignature(key, emitter.index, one.input_names, one.output_names))
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
