"""What each Keras layer computes, and from what: for the page that shows a model's layers at work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kexport.ir import Graph, NameScope, Value
from kexport_targets.web.activation_map import activation_map


@dataclass(frozen=True)
class LayerCall:
    """A call of a Keras layer (``path``, or ``path:1`` for its second call; ``path#1`` is its second output) and the calls and
    inputs of the model that it reads."""

    key: str
    inputs: tuple[str, ...]


@dataclass(eq=False)
class WebGraph(Graph):
    """A legalized graph that remembers the layers that it was made of."""

    calls: tuple[LayerCall, ...] = field(default=())


def layer_calls(graph: Graph) -> tuple[LayerCall, ...]:
    """The layer calls of a graph as it was lowered, in the order they are computed.

    A nested model's call has the value of its last layer; it is left out, as are layers that pass an input on.
    """
    keys: dict[Value, str] = {}
    position = {value: index for index, node in enumerate(graph.nodes) for value in node.outputs}
    for key, value in graph.layer_outputs.items():
        # The first of several keys of a value is that of the layer that computed it.
        if value in position:
            keys.setdefault(value, key)
    sources = dict(zip(graph.inputs, graph.input_names, strict=True)) | keys
    ordered = sorted(keys, key=lambda value: position[value])
    return tuple(LayerCall(keys[value], _read(value, sources)) for value in ordered)


def _read(value: Value, sources: Mapping[Value, str]) -> tuple[str, ...]:
    """The names of the nearest values behind ``value`` that have one."""
    found: dict[str, None] = {}
    seen = {value}
    stack = [value]
    while stack:
        node = stack.pop().producer
        for read in reversed(node.inputs if node is not None else []):
            if read is None or read in seen:
                continue
            seen.add(read)
            if read in sources:
                found[sources[read]] = None
            else:
                stack.append(read)
    return tuple(found)


@dataclass(frozen=True)
class Exposed:
    """``graph`` returns the model's outputs and those of its layers; ``names`` has the output's name for each call that is still
    computed by itself. Others are part of a later layer's kernel. ``map`` is the name of the first output's class activation map."""

    graph: Graph
    names: dict[str, str]
    map: str | None = None


def expose_layers(graph: WebGraph) -> Exposed:
    """A copy of a legalized graph with the outputs of its layers behind its own. Constants are shared."""
    copied = graph.copy()
    named = dict(zip(copied.outputs, copied.output_names, strict=True))
    computed = {value for node in copied.nodes for value in node.outputs}
    scope = NameScope([*copied.input_names, *copied.output_names])
    names: dict[str, str] = {}
    for call in graph.calls:
        value = copied.layer_outputs.get(call.key)
        if value not in computed:
            continue
        if value not in named:
            named[value] = scope.unique(call.key)
            copied.outputs.append(value)
            copied.output_names.append(named[value])
        names[call.key] = named[value]
    made = activation_map(copied, copied.outputs[0])
    if made is None:
        return Exposed(copied, names)
    copied.outputs.append(made)
    copied.output_names.append(scope.unique("activation_map"))
    return Exposed(copied, names, copied.output_names[-1])
