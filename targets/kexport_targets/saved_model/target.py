"""The SavedModel target, and the frozen graph."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
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


#: Bytes of weights that a graph holds; a message of 2 GiB can't be read.
MOST_IN_GRAPH = 2_000_000_000


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
    """``1/saved_model.pb``: the signatures ``serving_default`` and ``serve`` under the tag ``serve``; with weights in the graph, or in
    ``1/variables/``."""

    name = "saved_model"
    description = "TensorFlow SavedModel, for TF Serving"
    options = (
        TargetOption(
            "variables", bool, False, "Keep weights in a checkpoint beside the graph, as is done above 2 GB."
        ),
    )

    def emit(self, graph: Graph, folder: Path, options: Mapping[str, Any]) -> Artifact:
        """Write the version's folder."""
        from kexport_targets.saved_model.bundle import write_bundle
        from kexport_targets.saved_model.emit import Weights, emit_graph
        from kexport_targets.saved_model.writer import saved_model

        weights = Weights(checkpoint=options["variables"] or _weight_bytes(graph) > MOST_IN_GRAPH)
        program = emit_graph(graph, store=weights)
        saver = weights.close(program)
        signature = _signature(graph, program)
        signatures = [signature, replace(signature, name="serve")]
        message = saved_model(program, signatures, tags=["serve"], saver=saver)
        (folder / VERSION).mkdir()
        files = [SAVED_MODEL]
        with (folder / SAVED_MODEL).open("wb") as file:
            message.write(file)
        if saver is not None:
            restored = {item.name: item.contents for item in program.variables if item.contents is not None}
            files += [VERSION / path for path in write_bundle(folder / VERSION, restored)]
        return Artifact(VERSION, tuple(files), signature, {"ops": _counted(program)})


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


def _weight_bytes(graph: Graph) -> int:
    """Bytes of all constants, those of loops' bodies included."""
    from kexport.ir.ops.loop import bodies

    own = sum(value.constant.nbytes for value in graph.constants() if value.constant is not None)
    return own + sum(_weight_bytes(body) for node in graph.nodes for body in bodies(node.attrs))


def _counted(program: Program) -> dict[str, int]:
    """How often each operator stands in the graph."""
    return dict(sorted(Counter(operation.op for operation in program.operations).items()))


TARGET = SavedModelTarget()
FROZEN_GRAPH = FrozenGraphTarget()
