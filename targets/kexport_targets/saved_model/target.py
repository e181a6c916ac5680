"""The SavedModel target, and the frozen graph."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kexport.contracts import Artifact, Companions, Port, Signature, TargetOption
from kexport.errors import UsageError
from kexport_targets.saved_model.images import OPTIONS as IMAGE_OPTIONS

if TYPE_CHECKING:
    from kexport.ir import Graph, Value
    from kexport_targets.saved_model.emit import Program, Saver
    from kexport_targets.saved_model.images import ImageSignature

#: TF Serving takes the folder around the versions, whose names are numbers.
VERSION = Path("1")
SAVED_MODEL = VERSION / "saved_model.pb"
FROZEN = Path("model.pb")
NAMES = Path("model.names.json")

#: Bytes of weights that are in the graph unless it is asked for: TensorFlow takes 13 times as much to hold them (docs/decisions/0007).
MOST_BY_ITSELF = 64_000_000
#: Bytes of weights that a graph can hold; a message of 2 GiB can't be read.
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
    """``1/saved_model.pb``: the signatures ``serving_default`` and ``serve`` under the tag ``serve``, and one for encoded images where
    it is asked for; with weights in the graph, or in ``1/variables/``."""

    name = "saved_model"
    description = "TensorFlow SavedModel, for TF Serving"
    options = (
        TargetOption(
            "weights_in",
            str,
            "auto",
            f"Where weights are: graph, variables (a checkpoint), or auto: the graph up to {MOST_BY_ITSELF // 10**6} MB.",
        ),
        *IMAGE_OPTIONS,
        TargetOption("serving", bool, False, "Write files for TF Serving, Docker, Kubernetes and KServe."),
        TargetOption("model_name", str, "", "The name it is served under.  [default: the model's own]"),
    )

    def emit(self, graph: Graph, folder: Path, options: Mapping[str, Any]) -> Artifact:
        """Write the version's folder, and ``serving/`` beside it where that is asked for."""
        from kexport_targets.saved_model.emit import Weights, emit_for_images, emit_graph
        from kexport_targets.saved_model.images import image_signature
        from kexport_targets.saved_model.serving import Served, served_name, write_serving

        options = {option.name: option.default for option in self.options} | dict(options)
        types = {name: value.type for name, value in zip(graph.input_names, graph.inputs, strict=True)}
        images = image_signature(types, options)
        name = served_name(options["model_name"], graph.name)
        size = _weight_bytes(graph)
        checkpoint = _in_variables(options["weights_in"], size)
        weights = Weights(checkpoint=checkpoint)
        emitter, program = emit_graph(graph, store=weights, tables=True)
        signature = _signature(graph, program)
        signatures = [signature, replace(signature, name="serve")]
        if images is not None:
            signatures.append(_of_images(signature, images, *emit_for_images(emitter, images)))
        files = _write_version(folder, program, signatures, weights.close(program))
        if options["serving"]:
            alone = bool(graph.found_lengths())
            files += write_serving(
                folder, Served(name, signature, size, in_graph=not checkpoint, alone=alone)
            )
        details: dict[str, Any] = {
            "model_name": name,
            "weights_in": "variables" if checkpoint else "graph",
            "ops": _counted(program),
            "signatures": {item.name: _described(item) for item in signatures},
        }
        if images is not None:
            details["images"] = images.described
        return Artifact(VERSION, tuple(files), signature, details)

    def finish(self, artifact: Artifact, folder: Path, about: Companions) -> Artifact:
        """Write requests of the golden inputs into ``1/assets.extra/``, for TF Serving to begin with."""
        from kexport_targets.saved_model.warmup import FILE, requests, write_records

        if about.sample is None:
            return artifact
        records = requests(artifact.signature, about.sample.inputs, artifact.details.get("images"))
        write_records(folder / VERSION / FILE, records)
        return replace(artifact, files=(*artifact.files, VERSION / FILE))


def _write_version(
    folder: Path, program: Program, signatures: Sequence[Signature], saver: Saver | None
) -> list[Path]:
    """Write the model, and the checkpoint of its variables where ``saver`` restores some; the files' paths in ``folder``."""
    from kexport_targets.saved_model.bundle import write_bundle
    from kexport_targets.saved_model.writer import saved_model

    message = saved_model(program, signatures, tags=["serve"], saver=saver)
    (folder / VERSION).mkdir()
    with (folder / SAVED_MODEL).open("wb") as file:
        message.write(file)
    if saver is None:
        return [SAVED_MODEL]
    restored = {item.name: item.contents for item in program.variables if item.contents is not None}
    return [SAVED_MODEL, *(VERSION / path for path in write_bundle(folder / VERSION, restored))]


def _of_images(
    signature: Signature, images: ImageSignature, encoded: str, computed: Sequence[str]
) -> Signature:
    """The signature whose image is given encoded; the tensors of that and of its outputs."""
    from kexport.ir import TensorType

    batch = TensorType("string", images.input.shape[:1])
    inputs = [
        Port(images.key, batch, encoded) if port.name == images.input_name else port
        for port in signature.inputs
    ]
    outputs = [
        replace(port, artifact_name=tensor) for port, tensor in zip(signature.outputs, computed, strict=True)
    ]
    return Signature(tuple(inputs), tuple(outputs), images.name)


def _described(signature: Signature) -> dict[str, list[dict[str, Any]]]:
    """A signature as plain data, in the manifest's words."""
    return {"inputs": _entries(signature.inputs), "outputs": _entries(signature.outputs)}


def _entries(ports: Sequence[Port]) -> list[dict[str, Any]]:
    return [
        {
            "name": port.name,
            "dtype": port.type.dtype,
            "shape": [dim if isinstance(dim, int) else str(dim) for dim in port.type.shape],
        }
        for port in ports
    ]


class FrozenGraphTarget(_TensorFlowGraph):
    """``model.pb``: a GraphDef; beside it, in JSON, which of its tensors are the model's inputs and outputs."""

    name = "frozen_graph"
    description = "TensorFlow frozen graph (GraphDef), for TensorFlow's C API"

    def emit(self, graph: Graph, folder: Path, options: Mapping[str, Any]) -> Artifact:
        """Write ``model.pb`` and ``model.names.json``."""
        from kexport_targets.saved_model.emit import emit_graph
        from kexport_targets.saved_model.writer import graph_def

        _, program = emit_graph(graph)
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


def _in_variables(asked: str, size: int) -> bool:
    """Whether weights of so many bytes go into a checkpoint."""
    if asked not in ("auto", "graph", "variables"):
        raise UsageError(f"--weights-in is auto, graph or variables. Received: {asked!r}")
    if asked == "graph" and size > MOST_IN_GRAPH:
        raise UsageError(
            f"A TensorFlow graph is one message of less than 2.1 GB, and the weights are {size / 1e9:.1f} GB.",
            hint="Leave out --weights-in: they go into variables.",
        )
    return asked == "variables" or (asked == "auto" and size > MOST_BY_ITSELF)


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
