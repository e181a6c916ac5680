"""What a model's own arithmetic allows: the largest magnitude of an output, and how exact its reference can be."""

from __future__ import annotations

from kexport.ir import Graph, Value

_MOVES = frozenset(
    ["identity", "reshape", "expand_dims", "squeeze", "transpose", "slice", "reverse", "tile", "broadcast_to"]
)
_AT_MOST_ONE = frozenset(["sigmoid", "softmax", "tanh"])


def output_bounds(graph: Graph) -> dict[str, float]:
    """1 for each output that ends in a sigmoid, softmax or tanh; other outputs are absent."""
    pairs = zip(graph.output_names, graph.outputs, strict=True)
    return {name: 1.0 for name, value in pairs if _ends_bounded(value)}


def _ends_bounded(value: Value) -> bool:
    node = value.producer
    while node is not None and node.op in _MOVES:
        node = node.input(0).producer
    return node is not None and node.op in _AT_MOST_ONE


#: Of an output's range: what rounding each layer's result to 11 bits (float16) or 8 (bfloat16) adds up to in the reference of a
#: model that computes in them. An artifact computes the same in float32, without that rounding.
_REFERENCE_TOLERANCE = {"float16": 5e-3, "bfloat16": 4e-2}


def reference_tolerance(graph: Graph) -> float:
    """The relative error that the reference of ``graph`` itself has; 0 for a model in float32."""
    found = {value.dtype for node in graph.nodes for value in node.outputs}
    return max((_REFERENCE_TOLERANCE.get(dtype, 0.0) for dtype in found), default=0.0)
