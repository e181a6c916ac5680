"""Computes once what is computed twice."""

from __future__ import annotations

from kexport.ir import Graph, Node, Value
from kexport.passes.infrastructure import as_pass
from kexport.passes.rewriting import Rewriter

#: Elements up to which constants are told apart by their contents; larger ones are equal only if they are one.
_COMPARED_ELEMENTS = 64


def _constant_key(value: Value) -> object:
    assert value.constant is not None
    if value.constant.is_lazy or value.constant.size > _COMPARED_ELEMENTS or value.dtype == "string":
        return value
    return value.type, value.constant.numpy().tobytes()


@as_pass("common_subexpressions")
def common_subexpressions(graph: Graph) -> bool:
    """Compute once what several nodes compute of the same values.

    Given::

        a = transpose(x, (0, 2, 1))
        b = transpose(x, (0, 2, 1))
        c = add(a, tanh(b))

    Result::

        a = transpose(x, (0, 2, 1))
        c = add(a, tanh(a))

    Constants of a few elements are compared by their contents. The first node's origin stays.
    """
    seen: dict[object, Node] = {}
    constants: dict[Value, object] = {}

    def operand(value: Value | None) -> object:
        if value is None or value.constant is None:
            return value
        if value not in constants:
            constants[value] = _constant_key(value)
        return constants[value]

    def rule(node: Node, rewriter: Rewriter) -> list[Value] | None:
        key = (node.op, tuple(operand(value) for value in node.inputs), repr(sorted(node.attrs.items())))
        first = seen.setdefault(key, node)
        return None if first is node else list(first.outputs)

    return Rewriter(graph).run(rule)
