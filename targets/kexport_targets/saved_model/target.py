"""The SavedModel target, and the frozen graph."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kexport.contracts import Artifact, Port, Signature, TargetOption

if TYPE_CHECKING:
    from kexport.ir import Graph, Value
    from kexport_targets.saved_model.emit import Program

#: TF Serving takes the folder around the versions, whose names are numbers.
VERSION = Path("1")
SAVED_MODEL = VERSION / "saved_model.pb"
FROZEN = Path("model.pb")
NAMES = Path("model.names.json")


class _TensorFlowGraph:
    """What both formats share: one GraphDef, weights inside, for TensorFlow's kernels for CPUs.

    What does the work is imported when it is needed: `kexport --help` asks every target for its options.
    """

    runtime = "tensorflow"
    #: A batch is open where nobody says otherwise, as users of the format expect.
    default_batch = "dynamic"
    options: Sequence[TargetOption] = ()

    def legalize(self, graph: Graph, options: Mapping[str, Any]) -> Graph:
        """The graph in what TensorFlow has kernels for."""
        from kexport_targets.saved_model.legalize import legalize

        return legalize(graph)

    def tolerance(self, options: Mapping[str, Any]) -> float:
        """1e-5: float32 arithmetic."""
        return 1e-5


class SavedModelTarget(_TensorFlowGraph):
    """``1/saved_model.pb``: the signature ``serving_default`` under the tag ``serve``."""

    name = "saved_model"
    description = "TensorFlow SavedModel, for TF Serving"

    def emit(self, graph: Graph, folder: Path, options: Mapping[str, Any]) -> Artifact:
        """Write ``1/saved_model.pb``."""
        from kexport_targets.saved_model.emit import emit_graph
        from kexport_targets.saved_model.writer import graph_def, saved_model

        program = emit_graph(graph)
        signature = _signature(graph, program)
        message = saved_model(graph_def(program), [signature], tags=["serve"])
        (folder / VERSION).mkdir()
        with (folder / SAVED_MODEL).open("wb") as file:
            message.write(file)
        return Artifact(VERSION, (SAVED_MODEL,), signature, {"ops": _counted(program)})


class FrozenGraphTarget(_TensorFlowGraph):
    """``model.pb``: a GraphDef; beside it, in JSON, which of its tensors are the model's inputs and outputs."""

    name = "frozen_graph"
    description = "TensorFlow frozen graph (GraphDef), for TensorFlow's C API"

    def emit(self, graph: Graph, folder: Path, options: Mapping[str, Any]) -> Artifact:
        """Write ``model.pb`` and ``model.names.json``."""
        from kexport_targets.saved_model.emit import emit_graph
        from kexport_targets.saved_model.writer import graph_def

        program = emit_graph(graph)
        signature = _signature(graph, program)
        with (folder / FROZEN).open("wb") as file:
            graph_def(program).write(file)
        names = {
            key: {port.name: port.artifact_name for port in ports}
            for key, ports in (("inputs", signature.inputs), ("outputs", signature.outputs))
        }
        (folder / NAMES).write_text(json.dumps(names, indent=2) + "\n", "utf-8")
        return Artifact(FROZEN, (FROZEN, NAMES), signature, {"ops": _counted(program)})


def _signature(graph: Graph, program: Program) -> Signature:
    return Signature(
        _ports(graph.input_names, graph.inputs, program.inputs),
        _ports(graph.output_names, graph.outputs, program.outputs),
    )


def _ports(names: Sequence[str], values: Sequence[Value], tensors: Sequence[str]) -> tuple[Port, ...]:
    triples = zip(names, values, tensors, strict=True)
    return tuple(Port(name, value.type, tensor) for name, value, tensor in triples)


def _counted(program: Program) -> dict[str, int]:
    """How often each operator stands in the graph."""
    return dict(sorted(Counter(operation.op for operation in program.operations).items()))


TARGET = SavedModelTarget()
FROZEN_GRAPH = FrozenGraphTarget()
