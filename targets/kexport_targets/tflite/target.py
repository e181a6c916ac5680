"""The TF Lite target."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kexport.contracts import Artifact, Port, Signature, TargetOption
from kexport.ir import Graph
from kexport_targets.tflite.emit import Emitter
from kexport_targets.tflite.legalize import legalize
from kexport_targets.tflite.writer import write


class TFLiteTarget:
    """``model.tflite``: builtin ops only, one signature."""

    name = "tflite"
    description = "TF Lite / LiteRT flatbuffer for Android, Raspberry Pi and browsers"
    runtime = "litert"
    options: Sequence[TargetOption] = (
        TargetOption("float16", bool, False, "Store weights in half precision (half the size, same speed)."),
    )

    def legalize(self, graph: Graph, options: Mapping[str, Any]) -> Graph:
        """The graph in what TF Lite's builtins hold."""
        return legalize(graph, options)

    def emit(self, graph: Graph, folder: Path, options: Mapping[str, Any]) -> Artifact:
        """Write ``model.tflite``."""
        emitter = Emitter(graph, float16=bool(options["float16"]))
        program = emitter.program
        program.inputs = [emitter.tensor(value) for value in graph.inputs]
        for node in graph.nodes:
            emitter.emit(node)
        program.outputs = [emitter.tensor(value) for value in graph.outputs]
        program.input_names, program.output_names = graph.input_names, graph.output_names
        main = Path("model.tflite")
        write(program, folder / main)
        ins = tuple(Port(n, v.type) for n, v in zip(graph.input_names, graph.inputs, strict=True))
        outs = tuple(Port(n, v.type) for n, v in zip(graph.output_names, graph.outputs, strict=True))
        ops = Counter(operator.builtin for operator in program.operators)
        return Artifact(main, (main,), Signature(ins, outs), {"ops": dict(sorted(ops.items()))})

    def tolerance(self, options: Mapping[str, Any]) -> float:
        """1e-5 for float32 arithmetic; float16 weights have 11 significant bits."""
        return 5e-3 if options["float16"] else 1e-5


TARGET = TFLiteTarget()
