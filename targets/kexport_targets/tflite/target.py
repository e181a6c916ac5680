"""The TF Lite target."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kexport.contracts import Artifact, Signature, TargetOption

if TYPE_CHECKING:
    from kexport.ir import Graph

MAIN = Path("model.tflite")


class TFLiteTarget:
    """``model.tflite``: builtin ops only, one signature.

    What does the work is imported when it is needed: `kexport --help` asks every target for its options.
    """

    name = "tflite"
    description = "TF Lite / LiteRT flatbuffer for Android, Raspberry Pi and browsers"
    runtime = "litert"
    options: Sequence[TargetOption] = (
        TargetOption("float16", bool, False, "Store weights in half precision (half the size, same speed)."),
        TargetOption(
            "fused_lstm",
            bool,
            False,
            "Write every LSTM that the builtin holds as one, also where a loop is faster (for microcontrollers, accelerators).",
        ),
    )

    def legalize(self, graph: Graph, options: Mapping[str, Any]) -> Graph:
        """The graph in what TF Lite's builtins hold."""
        from kexport_targets.tflite.legalize import legalize

        return legalize(graph, options)

    def emit(self, graph: Graph, folder: Path, options: Mapping[str, Any]) -> Artifact:
        """Write ``model.tflite``."""
        from kexport_targets.tflite.emit import emit_program
        from kexport_targets.tflite.writer import write

        program = emit_program(graph, float16=bool(options["float16"]))
        write(program, folder / MAIN)
        ops = Counter(operator.builtin for part in program.subgraphs for operator in part.operators)
        return Artifact(MAIN, (MAIN,), Signature.of(graph), {"ops": dict(sorted(ops.items()))})

    def tolerance(self, options: Mapping[str, Any]) -> float:
        """1e-5 for float32 arithmetic; float16 weights have 11 significant bits."""
        return 5e-3 if options["float16"] else 1e-5


TARGET = TFLiteTarget()
