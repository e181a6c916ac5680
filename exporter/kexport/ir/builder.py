"""Adds nodes to a graph under construction; what lowering rules and passes build with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from kexport.ir.graph import Constant, Graph, Node, TensorType, Value
from kexport.ir.ops import complete_attrs, infer_types


class NameScope:
    """Hands out names that no value of a graph has yet."""

    def __init__(self, taken: Sequence[str] = ()) -> None:
        self._next: dict[str, int] = {}
        for name in taken:
            self._next.setdefault(name, 1)

    def unique(self, base: str) -> str:
        """``base``, or ``base_1``, ``base_2``, … when it is taken."""
        count = self._next.get(base)
        if count is None:
            self._next[base] = 1
            return base
        while (name := f"{base}_{count}") in self._next:
            count += 1
        self._next[base] = count + 1
        self._next[name] = 1
        return name


def _names(graph: Graph) -> Iterator[str]:
    """What the values are called that the graph and the bodies of its loops read and compute."""
    yield from (value.name for value in graph.inputs)
    for node in graph.nodes:
        yield from (value.name for value in (*node.inputs, *node.outputs) if value is not None)
        for attr in node.attrs.values():
            if isinstance(attr, Graph):
                yield from _names(attr)


class Builder:
    """Builds nodes with inferred types.

    ``origin`` names the layer that new nodes belong to; it may be set between calls. Nodes collect in
    ``nodes``, in order.
    """

    def __init__(self, names: NameScope | None = None, origin: str = "") -> None:
        self.names = names or NameScope()
        self.nodes: list[Node] = []
        self.origin = origin

    @classmethod
    def for_graph(cls, graph: Graph) -> Builder:
        """A builder whose names are new to ``graph`` and to the bodies of its loops; the caller places its ``nodes``."""
        return cls(NameScope(list(_names(graph))))

    def ops(self, op: str, *inputs: Value | None, **attrs: Any) -> list[Value]:
        """Add a node; return its outputs."""
        filled = complete_attrs(op, attrs)
        types = infer_types(op, inputs, filled)
        outputs = [self._value(op, tensor_type) for tensor_type in types]
        self.nodes.append(Node(op, list(inputs), outputs, filled, self.origin))
        return outputs

    def op(self, op: str, *inputs: Value | None, **attrs: Any) -> Value:
        """Add a node of one output; return that."""
        (value,) = self.ops(op, *inputs, **attrs)
        return value

    def constant(self, contents: Constant | Any, dtype: str | None = None, *, name: str = "const") -> Value:
        """A constant value, from a :class:`Constant` or anything NumPy makes an array of."""
        constant = contents if isinstance(contents, Constant) else Constant.of(contents, dtype)
        base = f"{self.origin}/{name}" if self.origin else name
        return Value(self.names.unique(base), constant.dtype, constant.shape, constant)

    def scalar(self, number: float | bool, like: Value) -> Value:
        """A rank-0 constant of ``like``'s dtype."""
        return self.constant(Constant.of(number, like.dtype), name="scalar")

    def input(self, name: str, tensor_type: TensorType) -> Value:
        """A graph input."""
        return Value(self.names.unique(name), tensor_type.dtype, tensor_type.shape)

    def inline(self, graph: Graph, *values: Value) -> list[Value]:
        """Add the nodes of ``graph`` with ``values`` for its inputs; return what its outputs are."""
        known: dict[Value, Value] = dict(zip(graph.inputs, values, strict=True))
        for node in graph.nodes:
            inputs = [None if value is None else known.get(value, value) for value in node.inputs]
            known.update(zip(node.outputs, self.ops(node.op, *inputs, **node.attrs), strict=True))
        return [known.get(value, value) for value in graph.outputs]

    def _value(self, op: str, tensor_type: TensorType) -> Value:
        base = f"{self.origin}/{op}" if self.origin else op
        return Value(self.names.unique(base), tensor_type.dtype, tensor_type.shape)
