"""Outputs that have a memory of their own.

LiteRT.js binds a buffer to each input and output. A tensor that is both has the output's alone, and the model reads what happened to
be in it; one that is two outputs fills the last of their buffers; a constant fills none (seen with 2.5.3, without an error).
"""

from __future__ import annotations

import math

from kexport.ir import Builder, Graph, Value


def separate_outputs(graph: Graph) -> None:
    """Copy what is an input, a constant or another output already.

    Given::

        return x, y, y

    Result::

        a = reshape(x)
        b = reshape(y)
        return a, y, b
    """
    builder = Builder.for_graph(graph)
    taken = set(graph.inputs)
    outputs = []
    for value in graph.outputs:
        copied = value
        if value.constant is not None:
            copied = _computed(builder, value, graph.inputs[0])
        elif value in taken:
            builder.origin = value.producer.origin if value.producer is not None else ""
            copied = builder.op("reshape", value, shape=value.shape)
        taken.add(copied)
        outputs.append(copied)
    graph.nodes += builder.nodes
    graph.outputs = outputs
    graph.check()


def _computed(builder: Builder, constant: Value, given: Value) -> Value:
    """A constant out of an op that reads an input: what reads constants alone is computed before there are buffers."""
    # All shapes are known here.
    size, elements = (math.prod(int(str(dim)) for dim in value.shape) for value in (constant, given))
    flat = builder.op("reshape", given, shape=(elements,))
    one = builder.op(
        "cast", builder.op("slice", flat, begin=(0,), end=(1,), strides=(1,)), dtype=constant.dtype
    )
    both = builder.op("concat", builder.op("reshape", constant, shape=(size,)), one, axis=0)
    return builder.op(
        "reshape", builder.op("slice", both, begin=(0,), end=(size,), strides=(1,)), shape=constant.shape
    )
