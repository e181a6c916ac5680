"""One walk over a graph in which a rule may replace each node: what most passes are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from kexport.ir import Builder, Graph, Node, Value
from kexport.passes.dead_code import remove_dead

#: Returns what replaces the node's outputs (existing values, or ones just made with the rewriter's builder), or
#: None to leave the node as it is. A replacement has the value that it replaces: rules compute the same thing otherwise.
Rule: TypeAlias = Callable[[Node, "Rewriter"], Sequence[Value] | None]


class Rewriter:
    """Applies a rule to each node in topological order; the inputs of a node are already rewritten.

    ``builder`` makes new nodes, which take the old one's place; its origin is the visited node's. Rules look
    back, through ``Value.producer``, never forward. Replaced nodes go; so do those that only they needed.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._cleaned = remove_dead(graph)  # what is dead reads nothing
        self.builder = Builder.for_graph(graph)
        self.visits = 0
        self._uses: dict[Value, int] = {}
        self._replaced: dict[Value, Value] = {}
        self._released: set[Node] = set()
        for node in graph.nodes:
            self._count(node, 1)
        for value in graph.outputs:
            self._uses[value] = self._uses.get(value, 0) + 1

    def uses(self, value: Value) -> int:
        """How many inputs of nodes, and outputs of the graph, are ``value``."""
        return self._uses.get(value, 0)

    def sole_producer(self, value: Value) -> Node | None:
        """The node that computes ``value``, where nothing but one input of one node reads it."""
        return value.producer if self.uses(value) == 1 else None

    def run(self, rule: Rule) -> bool:
        """Visit every node once; whether the graph changed."""
        nodes: list[Node] = []
        for node in self.graph.nodes:
            self.visits += 1
            if self._replaced:
                node.inputs = [None if value is None else self._final(value) for value in node.inputs]
            self.builder.origin = node.origin
            made = rule(node, self)
            new, self.builder.nodes = self.builder.nodes, []
            if made is None:
                nodes.append(node)
                continue
            nodes += new
            self._replace(node, new, made)
        if not self._replaced:
            return self._cleaned
        self.graph.nodes = nodes
        self.graph.outputs = [self._final(value) for value in self.graph.outputs]
        self.graph.layer_outputs = {path: self._final(v) for path, v in self.graph.layer_outputs.items()}
        remove_dead(self.graph)
        return True

    def _final(self, value: Value) -> Value:
        seen: list[Value] = []
        while value in self._replaced:
            seen.append(value)
            value = self._replaced[value]
        for passed in seen[:-1]:  # the next reader takes one step, however long the chain was
            self._replaced[passed] = value
        return value

    def _replace(self, node: Node, new: Sequence[Node], made: Sequence[Value]) -> None:
        for fresh in new:
            self._count(fresh, 1)
        for old, value in zip(node.outputs, made, strict=True):
            self._replaced[old] = value
            self._uses[value] = self.uses(value) + self._uses.pop(old, 0)
        self._release(node)

    def _release(self, node: Node) -> None:
        """Take a node's reads away, and those of the nodes that nothing reads any more."""
        stack = [node]
        while stack:
            dead = stack.pop()
            if dead in self._released:
                continue
            self._released.add(dead)
            self._count(dead, -1)
            for value in dict.fromkeys(v for v in dead.inputs if v is not None):
                producer = value.producer
                if producer is not None and not any(map(self.uses, producer.outputs)):
                    stack.append(producer)

    def _count(self, node: Node, step: int) -> None:
        for value in node.inputs:
            if value is not None:
                self._uses[value] = self._uses.get(value, 0) + step
