"""What a model's own arithmetic allows: the largest magnitude of an output, and how exact its reference can be."""

from __future__ import annotations

from kexport.ir import Graph, Node, Value

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

#: Neighbours of float8_e4m3fn are up to 1/8 of themselves apart: a number between two of them is off by half of that.
_FLOAT8_TOLERANCE = 2.0**-4


def reference_tolerance(graph: Graph) -> float:
    """The relative error that the reference of ``graph`` itself has; 0 for a model in float32.

    Inputs that a layer quantizes fall to one of two levels. One on the edge between them falls to the other by a rounding error
    of the layers before, here or in the reference, and what is computed from it is then off by up to a level of all. Inputs of
    the model itself are the same on both sides, and so are their levels.
    """
    found = {value.dtype for node in graph.nodes for value in node.outputs}
    narrow = max((_REFERENCE_TOLERANCE.get(dtype, 0.0) for dtype in found), default=0.0)
    return max(
        [narrow, *(_level(node) for node in graph.nodes if _quantizes(node) and _is_computed(node.input(0)))]
    )


def _quantizes(node: Node) -> bool:
    return node.op in ("absmax_quantize", "round_float8")


def _level(node: Node) -> float:
    """The distance of two levels, of the largest input."""
    return _FLOAT8_TOLERANCE if node.op == "round_float8" else 1 / float(node.attrs["high"])


def _is_computed(value: Value) -> bool:
    """Whether rounding errors go into ``value``; a division or a clip of inputs rounds the same on both sides."""
    node = value.producer
    while node is not None and node.op in (*_MOVES, "clip", "div"):
        node = node.input(0).producer
    return node is not None
