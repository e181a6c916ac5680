"""The Core ML target."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kexport.contracts import Artifact, Port, Signature, TargetOption
from kexport.errors import UsageError
from kexport_targets.coreml import schema

if TYPE_CHECKING:
    from kexport.ir import Array, Graph, Value
    from kexport_targets.coreml.program import Block, Tensor

PACKAGE = "model.mlpackage"


class CoreMLTarget:
    """``model.mlpackage``: an ML program.

    What does the work is imported when it is needed: `kexport --help` asks every target for its options.
    """

    name = "coreml"
    description = "Core ML, for iOS, macOS and their kin"
    runtime = "coreml"
    options: Sequence[TargetOption] = (
        TargetOption(
            "deployment_target",
            str,
            schema.DEFAULT_DEPLOYMENT_TARGET,
            f"The oldest system that is to run it, {' or '.join(schema.DEPLOYMENT_TARGETS)} (and what came out with it).",
        ),
        TargetOption(
            "float16",
            bool,
            False,
            "Compute in half precision, as Core ML does on GPU and Neural Engine; what drifts by it, in float32.",
        ),
        TargetOption(
            "float32_layers",
            str,
            "",
            "With --float16: layers that compute in float32, separated by commas; more are chosen where outputs would differ.",
        ),
    )

    def legalize(self, graph: Graph, options: Mapping[str, Any]) -> Graph:
        """The graph in what the operations hold.

        Raises:
            UsageError: there is no such deployment target.
            UnsupportedOpError: naming layer, op and the way out.
        """
        from kexport_targets.coreml.legalize import legalize

        return legalize(graph, version=_version(options), half=_half(options))

    def proposals(
        self, graph: Graph, inputs: Mapping[str, Array], options: Mapping[str, Any]
    ) -> Iterator[dict[str, Any]]:
        """For a model that drifts in half precision: ever more layers in float32, those first that drift most."""
        from kexport_targets.coreml.measure import drifting

        if options["float16"]:
            legal = self.legalize(graph, {**options, "float16": False})
            for layers in drifting(legal, inputs, _layers(options)):
                yield {**options, "float32_layers": ",".join(sorted(layers))}

    def emit(self, graph: Graph, folder: Path, options: Mapping[str, Any]) -> Artifact:
        """Write ``model.mlpackage``."""
        from kexport_targets.coreml.emit import emit_graph
        from kexport_targets.coreml.features import description

        block, inputs, outputs = emit_graph(graph, version=_version(options))
        from kexport_targets.coreml.write import Package

        described = description(graph, inputs, outputs)
        written = Package(described, block, options["deployment_target"]).write(folder, PACKAGE)
        signature = Signature(
            _ports(graph.input_names, graph.inputs, inputs),
            _ports(graph.output_names, graph.outputs, outputs),
        )
        details = {
            "specification_version": schema.DEPLOYMENT_TARGETS[options["deployment_target"]][0],
            "ops": _counted(block),
        }
        if options["float16"]:
            details["float32_layers"] = sorted(_layers(options))
        return Artifact(written.main, written.files, signature, details)

    def tolerance(self, options: Mapping[str, Any]) -> float:
        """1e-5 for float32 arithmetic; float16 has 11 significant bits."""
        return 5e-3 if options["float16"] else 1e-5


def _version(options: Mapping[str, Any]) -> int:
    """16 for iOS16."""
    given = options["deployment_target"]
    if given not in schema.DEPLOYMENT_TARGETS:
        raise UsageError(
            f"The deployment target is one of {', '.join(schema.DEPLOYMENT_TARGETS)}. Received: {given!r}"
        )
    return int(given.removeprefix("iOS"))


def _layers(options: Mapping[str, Any]) -> frozenset[str]:
    """The layers that are to compute in float32."""
    return frozenset(name.strip() for name in options["float32_layers"].split(",") if name.strip())


def _half(options: Mapping[str, Any]) -> frozenset[str] | None:
    """None for float32 throughout; for half precision the layers that are not to compute in it."""
    if options["float32_layers"] and not options["float16"]:
        raise UsageError("--float32-layers says what is left out of half precision: give it with --float16.")
    return _layers(options) if options["float16"] else None


def _counted(block: Block) -> dict[str, int]:
    """How often each operation stands in the program, constants apart."""
    counts: Counter[str] = Counter()
    stack = [block]
    while stack:
        for operation in stack.pop().operations:
            stack += operation.blocks
            if operation.op != "const":
                counts[operation.op] += 1
    return dict(sorted(counts.items()))


def _ports(names: Sequence[str], values: Sequence[Value], tensors: Sequence[Tensor]) -> tuple[Port, ...]:
    return tuple(
        Port(name, value.type, tensor.name if tensor.name != name else "")
        for name, value, tensor in zip(names, values, tensors, strict=True)
    )


TARGET = CoreMLTarget()
