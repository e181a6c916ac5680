"""The ONNX target."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kexport.contracts import Artifact, Signature, TargetOption
from kexport.errors import MissingDependencyError, UnsupportedOpError, UsageError
from kexport_targets.onnx import schema

if TYPE_CHECKING:
    from kexport.ir import Graph
    from kexport_targets.onnx.emit import Body

MAIN = Path("model.onnx")
ORT = Path("model.ort")
OPERATORS = Path("model.required_operators_and_types.config")

#: The operator set in place of a number.
LATEST = "latest"


class ONNXTarget:
    """``model.onnx``: operators of the standard alone, weights beside it where they take more than a protobuf message holds. Or, by
    option, the same in ONNX Runtime's own format.

    What does the work is imported when it is needed: `kexport --help` asks every target for its options.
    """

    name = "onnx"
    description = "ONNX, for ONNX Runtime and what else reads it"
    runtime = "onnxruntime"
    #: A batch is open where nobody says otherwise, as users of the format expect.
    default_batch = "dynamic"
    options: Sequence[TargetOption] = (
        TargetOption(
            "opset",
            int,
            None,
            f"The version of the operator set, {schema.OLDEST_OPSET} to {schema.NEWEST_OPSET} or '{LATEST}'; by default "
            f"{schema.DEFAULT_OPSET}, or the first later one that has all of the model's operators.",
            words=(LATEST,),
        ),
        TargetOption("float16", bool, False, "Store weights in half precision (half the size, same speed)."),
        TargetOption(
            "nchw_inputs",
            bool,
            False,
            "Inputs that convolutions and pools read have channels first, whichever the model has: no transpose at the input.",
        ),
        TargetOption(
            "nchw_outputs", bool, False, "The same for outputs that convolutions and pools lead to."
        ),
        TargetOption(
            "ort",
            bool,
            False,
            "Write ONNX Runtime's own format, model.ort, in place of model.onnx, and the operators that a reduced build needs.",
        ),
    )

    def legalize(self, graph: Graph, options: Mapping[str, Any]) -> Graph:
        """The graph in what the operator set holds.

        Raises:
            UsageError: there is no such operator set, or the options don't go together.
        """
        from kexport_targets.onnx.legalize import legalize

        if options["ort"] and options["float16"]:
            raise UsageError(
                "ONNX Runtime widens weights when it writes its own format. Received: ort=True, float16=True",
                hint="Leave out --float16, or --ort.",
            )
        return legalize(
            graph,
            opset=_asked(options) or schema.DEFAULT_OPSET,
            nchw_inputs=bool(options["nchw_inputs"]),
            nchw_outputs=bool(options["nchw_outputs"]),
        )

    def emit(self, graph: Graph, folder: Path, options: Mapping[str, Any]) -> Artifact:
        """Write ``model.onnx``, or ``model.ort``.

        Raises:
            MissingDependencyError: the package ``onnx`` is not installed, or for ``model.ort`` ``onnxruntime``.
        """
        from kexport_targets.onnx.emit import emit_graph, needed_opset

        try:
            from kexport_targets.onnx.metadata import metadata_of
            from kexport_targets.onnx.writer import Writer
        except ModuleNotFoundError as error:
            raise MissingDependencyError(
                "To write ONNX files, the package onnx is needed.", hint="pip install 'kexport[onnx]'"
            ) from error

        opset = _asked(options) or max(schema.DEFAULT_OPSET, needed_opset(graph))
        body = emit_graph(graph, opset=opset)
        writer = Writer(
            folder / MAIN, opset=opset, float16=bool(options["float16"]), metadata=metadata_of(graph)
        )
        files = writer.write(body)
        details = {"opset": opset, "ops": _counted(body)}
        if options["ort"]:
            files = _as_ort(folder, files)
        return Artifact(files[0], tuple(files), _signature(graph, body), details)

    def tolerance(self, options: Mapping[str, Any]) -> float:
        """1e-5 for float32 arithmetic; float16 weights have 11 significant bits."""
        return 5e-3 if options["float16"] else 1e-5


def _signature(graph: Graph, body: Body) -> Signature:
    """The ports; an output that is called like an input has another name in the file."""
    signature = Signature.of(graph)
    outputs = tuple(
        port if port.name == name else replace(port, artifact_name=name)
        for port, (name, _) in zip(signature.outputs, body.outputs, strict=True)
    )
    return replace(signature, outputs=outputs)


def _asked(options: Mapping[str, Any]) -> int | None:
    """The operator set that is asked for; None for any."""
    opset = options["opset"]
    if opset == LATEST:
        return schema.NEWEST_OPSET
    if opset is not None and opset not in schema.IR_VERSIONS:
        raise UsageError(
            f"The operator set is from {schema.OLDEST_OPSET} to {schema.NEWEST_OPSET}. Received: opset={opset}"
        )
    return None if opset is None else int(opset)


def _as_ort(folder: Path, written: Sequence[Path]) -> list[Path]:
    """Put ``model.ort`` and the list of its operators in the place of what was written.

    Raises:
        UnsupportedOpError: the model is too large, or ONNX Runtime can't write it.
    """
    if len(written) > 1:
        raise UnsupportedOpError(
            "ONNX Runtime's own format holds models of less than 2 GB. Received: weights that stand beside the model.",
            hint="Export it without --ort.",
        )
    try:
        from kexport_targets.onnx.ort_format import required_operators, write_ort
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            "To write its own format, ONNX Runtime is needed.", hint="pip install 'kexport[onnx]'"
        ) from error
    write_ort(folder / MAIN, folder / ORT)
    (folder / OPERATORS).write_text(required_operators(folder / ORT), "utf-8")
    (folder / MAIN).unlink()
    return [ORT, OPERATORS]


def _counted(body: Body) -> dict[str, int]:
    """How often each operator stands in the file, in loops' bodies once."""
    counts: Counter[str] = Counter()
    stack = [body]
    while stack:
        for operator in stack.pop().operators:
            counts[operator.op] += 1
            stack += [item for item in operator.attributes.values() if hasattr(item, "operators")]
    return dict(sorted(counts.items()))


TARGET = ONNXTarget()
