"""Gives inputs and outputs channels first, so that a target that computes so need not transpose at them."""

from __future__ import annotations

from kexport.ir import Builder, Graph, Value
from kexport.passes.infrastructure import Pass
from kexport.passes.layout import DataFormat
from kexport.passes.views.mover import TRANSPARENT, wanted_views
from kexport.passes.views.view import View

_FORM = DataFormat("channels_first")


def channels_first_ports(*, inputs: bool, outputs: bool) -> Pass:
    """Let inputs that channels_last window ops read, and outputs that come of such, have their channels first.

    The axes are written down in ``Graph.input_axes`` and ``output_axes``, and what is inside goes on as it was, behind
    transposes; ``layout("channels_first")``, which comes next, makes them cancel.

    Given::

        a = conv(x, kernel; data_format="channels_last")    # x: (batch, height, width, 3)
        return a

    Result::

        t = transpose(x', (0, 2, 3, 1))                     # x': (batch, 3, height, width)
        a = conv(t, kernel; data_format="channels_last")
        return transpose(a, (0, 3, 1, 2))
    """

    def apply(graph: Graph) -> bool:
        changed = _turn_outputs(graph) if outputs else False
        return (_turn_inputs(graph) if inputs else False) or changed

    return Pass("channels_first_ports", apply)


def _turn_inputs(graph: Graph) -> bool:
    wanted, builder = wanted_views(graph, _FORM), Builder.for_graph(graph)
    replaced: dict[Value, Value] = {}
    for index, (name, value) in enumerate(zip(graph.input_names, graph.inputs, strict=True)):
        axes = _channels_first(value.rank)
        if wanted.get(value) != View(value.rank, axes) or name in graph.input_axes:
            continue
        turned = Value(
            builder.names.unique(value.name), value.dtype, tuple(value.shape[axis] for axis in axes)
        )
        graph.inputs[index] = turned
        graph.input_axes[name] = axes
        replaced[value] = builder.op("transpose", turned, perm=_channels_last(value.rank))
    graph.nodes = [*builder.nodes, *graph.nodes]
    graph.replace_values(replaced)
    return bool(replaced)


def _turn_outputs(graph: Graph) -> bool:
    made, builder = _made_by_windows(graph), Builder.for_graph(graph)
    for index, (name, value) in enumerate(zip(graph.output_names, graph.outputs, strict=True)):
        if value not in made or name in graph.output_axes:
            continue
        axes = _channels_first(value.rank)
        graph.outputs[index] = builder.op("transpose", value, perm=axes)
        graph.output_axes[name] = axes
    graph.nodes += builder.nodes
    return bool(builder.nodes)


def _made_by_windows(graph: Graph) -> set[Value]:
    """What window ops with channels last compute, and what is computed from that without moving its axes."""
    made: set[Value] = set()
    for node in graph.nodes:
        view = _FORM.view(node)
        if view is not None and not view.is_identity:
            made.update(node.outputs)
        elif node.op in TRANSPARENT:
            made.update(out for out in node.outputs for v in node.inputs if v in made and v.rank == out.rank)
    return made


def _channels_first(rank: int) -> tuple[int, ...]:
    return (0, rank - 1, *range(1, rank - 1))


def _channels_last(rank: int) -> tuple[int, ...]:
    return (0, *range(2, rank), 1)
