"""Small graphs built by hand, for tests that need no Keras."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from kexport.ir import Array, Builder, Graph, TensorType, Value
from kexport.ir.evaluate import evaluate

#: Adds nodes through the builder; returns output values by name.
Body = Callable[..., Mapping[str, Value]]

#: Input name → dtype and shape.
Types = Mapping[str, tuple[str, tuple[Any, ...]]]


def graph_of(inputs: Mapping[str, TensorType], body: Body, layers: Sequence[str] = ()) -> Graph:
    """The graph that ``body(builder, *input values)`` builds.

    ``layers`` are origins that body sets on the builder: each one's last value becomes a layer output.
    """
    builder = Builder()
    values = [builder.input(name, tensor_type) for name, tensor_type in inputs.items()]
    outputs = body(builder, *values)
    last = {node.origin: node.outputs[0] for node in builder.nodes}
    graph = Graph(
        "made",
        values,
        list(outputs.values()),
        builder.nodes,
        list(inputs),
        list(outputs),
        {layer: last[layer] for layer in layers},
    )
    graph.check()
    return graph


def graph_from(types: Types, body: Callable[..., Any]) -> Graph:
    """The graph that ``body(builder, *inputs)`` builds; it returns a value, or several, which are called ``y0``, ``y1``, …"""

    def named(builder: Builder, *values: Value) -> dict[str, Value]:
        made = body(builder, *values)
        outputs = list(made) if isinstance(made, (list, tuple)) else [made]
        return {f"y{index}": value for index, value in enumerate(outputs)}

    return graph_of({name: TensorType(dtype, shape) for name, (dtype, shape) in types.items()}, named)


def expected(graph: Graph, inputs: Sequence[Any]) -> list[Array]:
    """What the ops mean in NumPy; ask before the graph is legalized."""
    with np.errstate(all="ignore"):
        return evaluate(graph, inputs)
