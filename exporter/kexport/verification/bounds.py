"""The largest magnitude that an output's function can give."""

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
