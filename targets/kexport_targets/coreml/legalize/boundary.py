"""Inputs and outputs: Core ML has float32, int32 and, since iOS16, float16 there; others are cast on the way in and out."""

from __future__ import annotations

from kexport.errors import UnsupportedOpError
from kexport.ir import Builder, Graph, Value, dtypes
from kexport.passes import Pass
from kexport_targets.coreml.schema import MOST_DIMENSIONS


def boundary_dtype(dtype: str, version: int) -> str:
    """What an input or output of that dtype is in the artifact."""
    if dtype == "float16" and version >= 16:
        return "float16"
    return "float32" if dtypes.is_float(dtype) else "int32"


def boundary(version: int) -> Pass:
    """Give inputs and outputs the dtypes that they can have.

    Given::

        a = cast(x, float32)  # x: uint8
        return argmax(a)  # int64

    Result::

        b = cast(x, uint8)  # x: int32
        a = cast(b, float32)
        return cast(argmax(a), int32)
    """
    return Pass("boundary", lambda graph: _apply(graph, version))


def _apply(graph: Graph, version: int) -> bool:
    builder = Builder.for_graph(graph)
    casts: dict[Value, Value] = {}
    for index, (value, name) in enumerate(zip(graph.inputs, graph.input_names, strict=True)):
        _check(value, name, "input")
        dtype = boundary_dtype(value.dtype, version)
        if dtype != value.dtype:
            fresh = Value(builder.names.unique(f"{value.name}/given"), dtype, value.shape)
            casts[value] = builder.op("cast", fresh, dtype=value.dtype)
            graph.inputs[index] = fresh
    before, builder.nodes = builder.nodes, []
    graph.replace_values(casts)
    outputs = []
    for value, name in zip(graph.outputs, graph.output_names, strict=True):
        _check(value, name, "output")
        dtype = boundary_dtype(value.dtype, version)
        builder.origin = value.producer.origin if value.producer else ""
        outputs.append(value if dtype == value.dtype else builder.op("cast", value, dtype=dtype))
    changed = bool(before) or outputs != graph.outputs
    graph.nodes = [*before, *graph.nodes, *builder.nodes]
    graph.outputs = outputs
    return changed


def _check(value: Value, name: str, what: str) -> None:
    if not 1 <= value.rank <= MOST_DIMENSIONS:
        raise UnsupportedOpError(
            f"An array of Core ML has 1 to {MOST_DIMENSIONS} dimensions. Received: the {what} {name!r}, {value.type}.",
            hint="Bring it to so many with a Reshape.",
        )
