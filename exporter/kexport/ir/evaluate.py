"""Runs a graph in NumPy: the meaning of the ops, for constant folding and for finding where numbers part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from kexport.ir import dims, dtypes
from kexport.ir.graph import Array, Graph, Node, Value
from kexport.ir.ops import get
from kexport.ir.texts import as_bytes


def evaluate_node(
    node: Node, inputs: Sequence[Array | None], bindings: Mapping[str, int] | None = None
) -> list[Array]:
    """The outputs of ``node`` on these arrays; symbolic dimensions in its attributes take their ``bindings``."""
    attrs = {key: _bind(value, bindings or {}) for key, value in node.attrs.items()}
    outputs = get(node.op).compute(inputs, attrs)
    return [np.asarray(a, dtypes.numpy_dtype(v.dtype)) for a, v in zip(outputs, node.outputs, strict=True)]


def _bind(value: object, bindings: Mapping[str, int]) -> object:
    if isinstance(value, dims.Symbolic):
        # A length that the node itself finds out is not bound yet.
        return dims.evaluate(value, bindings) if dims.symbols((value,)) <= bindings.keys() else value
    return tuple(_bind(item, bindings) for item in value) if isinstance(value, tuple) else value


def evaluate(graph: Graph, inputs: Sequence[Array], wanted: Sequence[Value] | None = None) -> list[Array]:
    """The values ``wanted`` (default: the outputs) for these inputs, in the graph's order.

    Symbolic dimensions are bound from the inputs' shapes, or where a node finds one out, from its output's. Intermediate arrays are
    dropped once read. Text may be given as ``str`` or bytes.
    """
    targets = list(graph.outputs if wanted is None else wanted)
    bindings = bind_symbols(graph.inputs, inputs)
    arrays: dict[Value, Array] = {
        value: as_bytes(np.asarray(array)) if value.dtype == "string" else array
        for value, array in zip(graph.inputs, inputs, strict=True)
    }
    left = {value: len(nodes) for value, nodes in graph.users().items()}
    keep = set(targets)
    for node in graph.nodes:
        given = [None if v is None else v.constant.numpy() if v.constant else arrays[v] for v in node.inputs]
        made = evaluate_node(node, given, bindings)
        arrays.update(zip(node.outputs, made, strict=True))
        if isinstance(length := node.attrs.get("length"), dims.Symbolic):
            bindings[str(length)] = made[0].shape[-1]
        for value in dict.fromkeys(v for v in node.inputs if v is not None and v.constant is None):
            left[value] -= 1
            if not left[value] and value not in keep:
                del arrays[value]
    return [v.constant.numpy() if v.constant else arrays[v] for v in targets]


def bind_symbols(values: Sequence[Value], arrays: Sequence[Array]) -> dict[str, int]:
    """The value of each plain symbol in the values' shapes, read off the arrays' shapes."""
    bindings: dict[str, int] = {}
    for value, array in zip(values, arrays, strict=True):
        for dim, size in zip(value.shape, array.shape, strict=True):
            if isinstance(dim, dims.Symbolic):
                (name,) = dims.symbols((dim,))
                bindings.setdefault(name, size)
    return bindings
