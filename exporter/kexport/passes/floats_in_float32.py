"""Computes in float32 what has another float dtype."""

from __future__ import annotations

from collections.abc import Collection

from kexport.ir import Builder, Constant, Graph, Node, Value, dtypes
from kexport.ir.ops.loop import bodies
from kexport.passes.infrastructure import Pass


def floats_in_float32(*which: str) -> Pass:
    """Compute everything that has one of the dtypes ``which`` (by default every float but float32) in float32, as kernels for CPUs
    do; inputs and outputs keep theirs.

    Given::

        a = dense(x, kernel)  # x, kernel, a: float16
        return a

    Result::

        b = cast(x, float32)
        a = dense(b, kernel')               # kernel', a: float32
        return cast(a, float16)
    """
    wanted = which or tuple(dtype for dtype in dtypes.FLOATS if dtype != "float32")
    return Pass("floats_in_float32", lambda graph: _apply(graph, wanted))


def _apply(graph: Graph, which: Collection[str]) -> bool:
    narrow = {value for value in _values(graph) if value.dtype in which}
    if not narrow:
        return False
    builder = Builder.for_graph(graph)
    outputs = [value.dtype for value in graph.outputs]
    before = _widened_inputs(graph, narrow, builder)
    _widen_nodes(graph, which)
    for value in narrow - set(graph.inputs):
        _widen(value)
    graph.nodes = [*before, *graph.nodes]
    after: list[Value] = []
    for value, dtype in zip(graph.outputs, outputs, strict=True):
        builder.origin = value.producer.origin if value.producer else ""
        after.append(value if value.dtype == dtype else builder.op("cast", value, dtype=dtype))
    graph.nodes += builder.nodes
    graph.outputs = after
    return True


def _widened_inputs(graph: Graph, narrow: set[Value], builder: Builder) -> list[Node]:
    """Casts of the graph's narrow inputs, which all readers now read."""
    casts = {value: builder.op("cast", value, dtype="float32") for value in graph.inputs if value in narrow}
    made, builder.nodes = builder.nodes, []
    graph.replace_values(casts)
    return made


def _widen_nodes(graph: Graph, which: Collection[str]) -> None:
    """Make the dtypes in attributes float32, and all of the loops' bodies."""
    for node in graph.nodes:
        node.attrs = {
            key: "float32" if key == "dtype" and value in which else value
            for key, value in node.attrs.items()
        }
        for body in bodies(node.attrs):
            _widen_nodes(body, which)
            for value in _values(body):
                if value.dtype in which:
                    _widen(value)


def _values(graph: Graph) -> list[Value]:
    found = [*graph.inputs, *graph.outputs]
    for node in graph.nodes:
        found += [value for value in (*node.inputs, *node.outputs) if value is not None]
    return list(dict.fromkeys(found))


def _widen(value: Value) -> None:
    if value.constant is not None:
        value.constant = _wide_constant(value.constant)
    value.dtype = "float32"


def _wide_constant(constant: Constant) -> Constant:
    return constant.map(lambda array: array.astype("float32"), dtype="float32", same_elements=True)
