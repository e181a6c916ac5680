"""Removes what no output needs."""

from __future__ import annotations

from kexport.ir import Graph
from kexport.passes.infrastructure import Property, as_pass


def _all_nodes_needed(graph: Graph) -> bool:
    return len(_needed(graph)) == len(graph.nodes)


def _needed(graph: Graph) -> list[object]:
    wanted = set(graph.outputs)
    kept: list[object] = []
    for node in reversed(graph.nodes):
        if not wanted.isdisjoint(node.outputs):
            kept.append(node)
            wanted.update(value for value in node.inputs if value is not None)
    return kept


def remove_dead(graph: Graph) -> bool:
    """Drop the nodes that no output needs and the layer outputs that are no longer computed; whether any was."""
    needed = set(_needed(graph))
    before = len(graph.nodes), len(graph.layer_outputs)
    graph.nodes = [node for node in graph.nodes if node in needed]
    computed = {value for node in graph.nodes for value in node.outputs}
    computed.update(graph.inputs)
    graph.layer_outputs = {
        path: value
        for path, value in graph.layer_outputs.items()
        if value in computed or value.constant is not None
    }
    return before != (len(graph.nodes), len(graph.layer_outputs))


@as_pass("dead_code", ensures=[Property("only nodes that an output needs", _all_nodes_needed)])
def dead_code(graph: Graph) -> bool:
    """Remove nodes that no output needs, and layer outputs that are no longer computed.

    Given::

        a = relu(x)
        b = tanh(x)
        return a

    Result::

        a = relu(x)
        return a

    The graph's inputs stay, read or not: they are the user's signature.
    """
    return remove_dead(graph)
