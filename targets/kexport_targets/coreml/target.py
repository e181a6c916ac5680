"""The Core ML target."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kexport.contracts import Artifact, Companions, Pixels, Port, Signature, TargetOption
from kexport_targets.coreml import schema

if TYPE_CHECKING:
    from kexport.ir import Array, Graph, Value
    from kexport.passes import Pass
    from kexport_targets.coreml.program import Block, Tensor
    from kexport_targets.coreml.settings import Image
    from kexport_targets.coreml.write import Description

PACKAGE = "model.mlpackage"


class CoreMLTarget:
    """``model.mlpackage``: an ML program, with ``xcode`` inside a Swift package.

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
            f"The oldest system that is to run it: {', '.join(schema.DEPLOYMENT_TARGETS)}, or what came out with it.",
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
        TargetOption("image_input", str, "", "The input that is an image of 0 to 255."),
        TargetOption("image_color", str, "RGB", "The order of its channels: RGB, BGR or GRAYSCALE."),
        TargetOption("image_scale", float, 1.0, "The model's numbers are scale * pixel + bias."),
        TargetOption("image_bias", str, "0", "One number, or one a channel in the model's order: -1,-1,-1."),
        TargetOption("labels", str, "", "A file with a label a line: a classifier is written."),
        TargetOption("author", str, "", "The model's author, for Xcode to show."),
        TargetOption("license", str, "", "Its licence."),
        TargetOption("model_version", str, "", "Its version."),
        TargetOption("summary", str, "", "What it does."),
        TargetOption(
            "xcode", bool, False, "A Swift package around it: a typed wrapper, and tests for the device."
        ),
    )

    def legalize(self, graph: Graph, options: Mapping[str, Any]) -> Graph:
        """The graph in what the operations hold.

        Raises:
            UsageError: an option can't be what it is.
            UnsupportedOpError: naming layer, op and the way out.
        """
        from kexport_targets.coreml import settings
        from kexport_targets.coreml.legalize import image_input, legalize, position

        version, half, image = (
            settings.version(options),
            settings.half(options, graph),
            settings.image(options),
        )
        settings.labels(options, graph)
        first: tuple[Pass, ...] = ()
        if image is not None:
            shape = graph.inputs[position(graph, image.name)].shape
            first = (image_input(image.name, image.pixels(shape)),)
        return legalize(graph, version=version, half=half, first=first)

    def images(self, graph: Graph, options: Mapping[str, Any]) -> dict[str, Pixels]:
        """The inputs that will be images, of a graph as it was lowered."""
        from kexport_targets.coreml import settings
        from kexport_targets.coreml.legalize import position

        image = settings.image(options)
        if image is None:
            return {}
        return {image.name: image.pixels(graph.inputs[position(graph, image.name)].shape)}

    def proposals(
        self, graph: Graph, inputs: Mapping[str, Array], options: Mapping[str, Any]
    ) -> Iterator[dict[str, Any]]:
        """For a model that drifts in half precision: ever more layers in float32, those first that drift most."""
        from kexport_targets.coreml import settings
        from kexport_targets.coreml.measure import drifting

        if options["float16"]:
            plain = {**options, "float16": False, "float32_layers": "", "image_input": ""}
            for layers in drifting(self.legalize(graph, plain), inputs, settings.layers(options)):
                yield {**options, "float32_layers": ",".join(sorted(layers))}

    def emit(self, graph: Graph, folder: Path, options: Mapping[str, Any]) -> Artifact:
        """Write ``model.mlpackage``."""
        from kexport_targets.coreml import settings
        from kexport_targets.coreml.emit import emit_graph
        from kexport_targets.coreml.features import About, description
        from kexport_targets.coreml.write import Package
        from kexport_targets.coreml.xcode import project

        version, image = settings.version(options), settings.image(options)
        labels = settings.labels(options, graph)
        block, inputs, outputs = emit_graph(graph, version=version, labels=labels)
        about = About(*(options[key] for key in ("summary", "model_version", "author", "license")))
        described = description(graph, inputs, outputs, about=about, image=image, labels=bool(labels))
        swift = None
        if options["xcode"]:
            swift = project(graph.name, described, graph.input_names, graph.output_names, version=version)
        place = swift.place if swift else Path()
        (folder / place).mkdir(parents=True, exist_ok=True)
        written = Package(described, block, options["deployment_target"]).write(folder / place, PACKAGE)
        files = (*(place / file for file in written.files), *(swift.write(folder) if swift else ()))
        signature = Signature(
            tuple(
                _image_port(port, image, graph) if image is not None and port.name == image.name else port
                for port in _ports(graph.input_names, graph.inputs, inputs)
            ),
            _ports(graph.output_names, graph.outputs, outputs),
        )
        details = _details(options, described, _counted(block) + Counter(written.expanded))
        if swift:
            details |= {"own_tests": swift.folder.as_posix(), "swift_package": swift.to_json()}
        return Artifact(place / written.main, files, signature, details)

    def finish(self, artifact: Artifact, folder: Path, about: Companions) -> Artifact:
        """Give the tests of a Swift package the golden sample."""
        if "own_tests" in artifact.details and about.sample is not None:
            from kexport_targets.coreml.xcode import write_golden

            write_golden(artifact, folder, about.sample)
        return artifact

    def wrote_own_tests(self, folder: Path, details: Mapping[str, Any]) -> bool:
        """Whether the Swift package in the folder of an artifact with these details is, to the byte, what this version of kexport
        writes; what it is to be is worked out anew, since anybody may have written details and package."""
        from kexport_targets.coreml.xcode import Project

        try:
            package = Project.from_json(details["swift_package"])
            return details["own_tests"] == package.folder.as_posix() and package.is_unchanged(folder)
        except (KeyError, TypeError, ValueError):
            return False

    def tolerance(self, options: Mapping[str, Any]) -> float:
        """1e-5 for float32 arithmetic; float16 has 11 significant bits."""
        return 5e-3 if options["float16"] else 1e-5


def _details(options: Mapping[str, Any], described: Description, ops: Counter[str]) -> dict[str, Any]:
    """What the manifest says of a package, whose program has these operations."""
    from kexport_targets.coreml import settings

    found: dict[str, Any] = {
        "specification_version": schema.DEPLOYMENT_TARGETS[options["deployment_target"]][0],
        "lengths": {f.name: [list(pair) for pair in f.ranges] for f in described.inputs if f.ranges},
        "ops": dict(sorted(ops.items())),
    }
    if options["float16"]:
        found["float32_layers"] = sorted(settings.layers(options))
    return found


def _counted(block: Block) -> Counter[str]:
    """How often each operation stands in the program, constants apart."""
    counts: Counter[str] = Counter()
    stack = [block]
    while stack:
        for operation in stack.pop().operations:
            stack += operation.blocks
            if operation.op != "const":
                counts[operation.op] += 1
    return counts


def _ports(names: Sequence[str], values: Sequence[Value], tensors: Sequence[Tensor]) -> tuple[Port, ...]:
    return tuple(
        Port(name, value.type, tensor.name if tensor.name != name else "")
        for name, value, tensor in zip(names, values, tensors, strict=True)
    )


def _image_port(port: Port, image: Image, graph: Graph) -> Port:
    """An image, as runtimes take it: (1, height, width, channels), red, green and blue."""
    from kexport.ir import TensorType

    batch, channels, height, width = port.type.shape
    axis = 3 if port.name in graph.input_axes else 1
    pixels = Pixels(image.scale, image.bias, axis, image.color == "BGR")
    return Port(
        port.name, TensorType("uint8", (batch, height, width, channels)), port.artifact_name, pixels=pixels
    )


TARGET = CoreMLTarget()
