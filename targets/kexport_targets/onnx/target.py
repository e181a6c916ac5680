"""The ONNX target."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kexport.contracts import Artifact, Port, Signature, TargetOption
from kexport.errors import MissingDependencyError, UsageError
from kexport_targets.onnx import schema

if TYPE_CHECKING:
    from kexport.ir import Graph, Value
    from kexport_targets.onnx.emit import Body

MAIN = Path("model.onnx")


class ONNXTarget:
    """``model.onnx``: operators of the standard alone, weights beside it where they take more than a protobuf message holds.

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
            f"The version of the operator set, {schema.OLDEST_OPSET} to {schema.NEWEST_OPSET}; by default "
            f"{schema.DEFAULT_OPSET}, or the first later one that has all of the model's operators.",
        ),
        TargetOption("float16", bool, False, "Store weights in half precision (half the size, same speed)."),
    )

    def legalize(self, graph: Graph, options: Mapping[str, Any]) -> Graph:
        """The graph in what the operator set holds.

        Raises:
            UsageError: there is no such operator set.
        """
        from kexport_targets.onnx.legalize import legalize

        return legalize(graph, opset=_asked(options) or schema.DEFAULT_OPSET)

    def emit(self, graph: Graph, folder: Path, options: Mapping[str, Any]) -> Artifact:
        """Write ``model.onnx``.

        Raises:
            MissingDependencyError: the package ``onnx`` is not installed.
        """
        from kexport_targets.onnx.emit import emit_graph, needed_opset

        try:
            from kexport_targets.onnx.writer import Writer
        except ModuleNotFoundError as error:
            raise MissingDependencyError(
                "To write ONNX files, the package onnx is needed.", hint="pip install 'kexport[onnx]'"
            ) from error
        from importlib.metadata import version

        opset = _asked(options) or max(schema.DEFAULT_OPSET, needed_opset(graph))
        body = emit_graph(graph, opset=opset)
        writer = Writer(
            folder / MAIN,
            opset=opset,
            float16=bool(options["float16"]),
            metadata={"kexport": version("kexport")},
        )
        files = writer.write(body)
        signature = Signature(
            _ports(graph.input_names, graph.inputs), _ports(graph.output_names, graph.outputs)
        )
        return Artifact(MAIN, tuple(files), signature, {"opset": opset, "ops": _counted(body)})

    def tolerance(self, options: Mapping[str, Any]) -> float:
        """1e-5 for float32 arithmetic; float16 weights have 11 significant bits."""
        return 5e-3 if options["float16"] else 1e-5


def _asked(options: Mapping[str, Any]) -> int | None:
    """The operator set that is asked for; None for any."""
    opset = options["opset"]
    if opset is not None and opset not in schema.IR_VERSIONS:
        raise UsageError(
            f"The operator set is from {schema.OLDEST_OPSET} to {schema.NEWEST_OPSET}. Received: opset={opset}"
        )
    return None if opset is None else int(opset)


def _counted(body: Body) -> dict[str, int]:
    """How often each operator stands in the file, in loops' bodies once."""
    counts: Counter[str] = Counter()
    stack = [body]
    while stack:
        for operator in stack.pop().operators:
            counts[operator.op] += 1
            stack += [item for item in operator.attributes.values() if hasattr(item, "operators")]
    return dict(sorted(counts.items()))


def _ports(names: Sequence[str], values: Sequence[Value]) -> tuple[Port, ...]:
    return tuple(Port(name, value.type) for name, value in zip(names, values, strict=True))


TARGET = ONNXTarget()
