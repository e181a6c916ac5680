"""Small graphs built by hand, for tests that need no Keras."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from kexport.ir import Builder, Graph, TensorType, Value

#: Adds nodes through the builder; returns output values by name.
Body = Callable[..., Mapping[str, Value]]


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
