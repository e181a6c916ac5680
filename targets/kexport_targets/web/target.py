"""The web target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kexport.contracts import Artifact, Companions, Signature, TargetOption
from kexport.errors import UnsupportedOpError

if TYPE_CHECKING:
    from kexport.ir import Graph

#: The signature that returns the outputs of layers.
LAYERS = "layers"


class WebTarget:
    """``index.html`` and what it needs: a .tflite file, LiteRT.js, a page. Any static server will do.

    What does the work is imported when it is needed: `kexport --help` asks every target for its options.
    """

    name = "web"
    description = "Web bundle: runs in any browser, on the GPU or the CPU"
    runtime = "browser"
    options: Sequence[TargetOption] = (
        TargetOption("float16", bool, True, "Store weights in half precision (half the size, same speed)."),
        TargetOption("single_file", bool, False, "One HTML file that works when it is double-clicked."),
        TargetOption(
            "labels", Path, None, "A text file, a label a line, or a JSON list, for the first output."
        ),
        TargetOption(
            "pixels", str, None, "What pixels become: unit, signed, raw, torch or caffe (see docs/web.md)."
        ),
        TargetOption(
            "vocabulary", Path, None, "What integers words or characters become: a line each, or JSON."
        ),
        TargetOption("text_padding", str, "pre", "Where the zeros of short texts stand: pre or post."),
        TargetOption("layer_outputs", bool, True, "Let the page show what every layer computes."),
    )

    def legalize(self, graph: Graph, options: Mapping[str, Any]) -> Graph:
        """The graph in what TF Lite's builtins hold; its shapes are known."""
        from kexport_targets.tflite.legalize import legalize
        from kexport_targets.web.annotations import pixels_of
        from kexport_targets.web.layers import WebGraph, layer_calls
        from kexport_targets.web.outputs import separate_outputs
        from kexport_targets.without_text import refuse_text

        refuse_text(graph, "the browser's runtime")
        _check_shapes(graph)
        pixels_of(options["pixels"])
        calls = layer_calls(graph)
        # LiteRT.js 2.5.3 refuses files with variable tensors (model_load.cc, "not yet supported").
        legal = legalize(graph, {}, states=False)
        separate_outputs(legal)
        return WebGraph(**vars(legal), calls=calls)

    def emit(self, graph: Graph, folder: Path, options: Mapping[str, Any]) -> Artifact:
        """Write the bundle. It has no golden sample until :meth:`finish` adds one."""
        from kexport_targets.tflite.emit import emit_program
        from kexport_targets.tflite.writer import write
        from kexport_targets.web.annotations import pixels_of, preprocessing, read_labels
        from kexport_targets.web.bundle import write_folder, write_single
        from kexport_targets.web.description import describe
        from kexport_targets.web.layers import WebGraph, expose_layers
        from kexport_targets.web.vocabulary import read_vocabulary

        assert isinstance(graph, WebGraph)
        exposed = expose_layers(graph) if options["layer_outputs"] else None
        also = {LAYERS: exposed.graph} if exposed is not None and exposed.names else {}
        description = describe(graph, exposed)
        description["labels"] = read_labels(options["labels"], description["outputs"][0])
        description["preprocessing"] = preprocessing(description["inputs"], pixels_of(options["pixels"]))
        description["vocabulary"] = read_vocabulary(
            options["vocabulary"], options["text_padding"], description["inputs"]
        )
        model = folder / "model.tflite"
        write(emit_program(graph, float16=bool(options["float16"]), also=also), model)
        put = write_single if options["single_file"] else write_folder
        return put(folder, model, description, Signature.of(graph))

    def finish(self, artifact: Artifact, folder: Path, about: Companions) -> Artifact:
        """Add the golden sample, by which the bundle proves itself wherever it is loaded, and the names of layers."""
        from kexport_targets.web.bundle import complete

        return complete(folder, artifact, about)

    def tolerance(self, options: Mapping[str, Any]) -> float:
        """1e-5 for float32 arithmetic; float16 weights have 11 significant bits."""
        return 5e-3 if options["float16"] else 1e-5


def _check_shapes(graph: Graph) -> None:
    """LiteRT.js sets no lengths at run time."""
    for name, value in [
        *zip(graph.input_names, graph.inputs, strict=True),
        *zip(graph.output_names, graph.outputs, strict=True),
    ]:
        unknown = [str(dim) for dim in value.shape if not isinstance(dim, int)]
        if unknown:
            raise UnsupportedOpError(
                f"LiteRT.js runs models of known shapes. Received: {name!r} with the unknown dimension {unknown[0]}",
                hint="Give a batch with --batch N."
                if unknown[0] == "batch"
                else f"Fix it with --dim {unknown[0]}=N.",
            )


TARGET = WebTarget()
