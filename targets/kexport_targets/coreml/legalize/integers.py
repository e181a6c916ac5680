"""Integers are int32 in an ML program. Narrower ones wrap around at their own ends; of wider ones, what int32 holds is right."""

from __future__ import annotations

from typing import Final

import numpy as np

from kexport.errors import UnsupportedOpError
from kexport.ir import Array, Builder, Graph, Node, Value
from kexport.ir.ops.loop import bodies
from kexport.passes import as_pass

_NARROW: Final = ("int8", "uint8", "int16", "uint16")
_OTHERS: Final = (*_NARROW, "uint32", "int64", "uint64")

#: Ops whose results may leave their operands' dtype.
_LEAVES: Final = frozenset(
    [
        *["add", "sub", "mul", "div", "neg", "abs", "square", "squared_difference", "pow", "left_shift"],
        *["cumsum", "reduce_sum", "reduce_prod", "dense", "matmul", "conv", "depthwise_conv", "conv_transpose"],
        *["cast", "argmax", "argmin", "floor_div"],
    ]
)  # fmt: skip

_HASHES: Final = ("hash_bucket", "cross_hash")

_LIMITS: Final = np.iinfo(np.int32)

#: What stands for "no limit" in 64 bits, and in 32.
_ENDS: Final = {np.iinfo(np.int64).max: _LIMITS.max, np.iinfo(np.int64).min: _LIMITS.min}


@as_pass("integers_in_int32")
def integers_in_int32(graph: Graph) -> bool:
    """Compute every integer in int32.

    Given::

        a = add(x, y)  # uint8

    Result::

        b = add(x, y)  # int32
        a = mod(b, 256)

    Raises:
        UnsupportedOpError: a constant is larger, or there are hashes in more buckets.
    """
    return _apply(graph)


def _apply(graph: Graph) -> bool:
    changed = False
    for node in graph.nodes:
        if node.op in _HASHES:
            raise UnsupportedOpError(
                f"Layer {node.origin!r}: in integers of Core ML, which have 32 bits, there is room for 2**30 buckets. "
                f"Received: {node.attrs['buckets']}",
                hint="Hash before the model and give it the indices, or export to ONNX.",
            )
        for body in bodies(node.attrs):
            changed = _apply(body) or changed
    others = [value for value in _values(graph) if value.dtype in _OTHERS]
    if not others:
        return changed
    builder = Builder.for_graph(graph)
    nodes: list[Node] = []
    wrapped: dict[Value, Value] = {}
    for node in graph.nodes:
        nodes.append(node)
        dtype = node.outputs[0].dtype
        if dtype in _NARROW and node.op in _LEAVES:
            builder.origin = node.origin
            wrapped[node.output] = _wrapped(builder, node.output, dtype)
            nodes += builder.nodes
            builder.nodes = []
        if node.attrs.get("dtype") in _OTHERS:
            node.attrs = {**node.attrs, "dtype": "int32"}
    for value in others:
        _narrowed(value, graph)
    graph.nodes = nodes
    _redirect(graph, wrapped)
    return True


def _values(graph: Graph) -> list[Value]:
    found = [*graph.inputs, *graph.outputs]
    for node in graph.nodes:
        found += [value for value in (*node.inputs, *node.outputs) if value is not None]
    return list(dict.fromkeys(found))


def _wrapped(b: Builder, raw: Value, dtype: str) -> Value:
    """``raw`` within the dtype's ends, modulo its number of values."""
    limits = np.iinfo(dtype)
    raw.dtype = "int32"
    count, low = b.scalar(int(limits.max) - int(limits.min) + 1, raw), b.scalar(int(limits.min), raw)
    if limits.min == 0:
        return b.op("mod", raw, count)
    return b.op("add", b.op("mod", b.op("sub", raw, low), count), low)


def _redirect(graph: Graph, wrapped: dict[Value, Value]) -> None:
    """Let all that read a raw value read the wrapped one, but what wraps it."""
    first = {made: raw for raw, made in wrapped.items()}
    wrapping: dict[Node, list[Value | None]] = {}
    for made, raw in first.items():
        stack = [made.producer]
        while stack:
            node = stack.pop()
            if node is None:
                continue
            wrapping[node] = list(node.inputs)
            if raw not in node.inputs:
                stack += [value.producer for value in node.inputs if value is not None]
    graph.replace_values(wrapped)
    for node, inputs in wrapping.items():
        node.inputs = inputs


def _narrowed(value: Value, graph: Graph) -> None:
    if value.constant is not None:
        name, dtype = value.name, value.dtype

        def change(array: Array) -> Array:
            clipped = array.astype(object) if dtype == "uint64" else array.astype(np.int64)
            for wide, narrow in _ENDS.items():
                clipped = np.where(clipped == wide, narrow, clipped)
            if clipped.size and (clipped.max() > _LIMITS.max or clipped.min() < _LIMITS.min):
                raise UnsupportedOpError(
                    f"The model {graph.name!r}: the constant {name!r} holds {dtype} numbers that int32, the integers of Core ML, can't.",
                    hint="Leave out what needs them, or export to ONNX.",
                )
            return np.asarray(clipped, np.int32)

        value.constant = value.constant.map(change, dtype="int32")
    value.dtype = "int32"
