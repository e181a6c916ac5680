"""A copy of a graph that also returns the outputs of layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kexport.ir import Graph, NameScope


@dataclass(frozen=True)
class Exposed:
    """``graph``, and the name of its output for each layer key and, as ``output <name>``, for each model output."""

    graph: Graph
    names: dict[str, str]


def expose(graph: Graph, keys: Sequence[str]) -> Exposed:
    """A copy of ``graph`` with the values of these layer keys as outputs behind its own.

    Constants are shared. A value that is an output already, or that several keys name, is one output.
    """
    copied = graph.copy()
    scope = NameScope(copied.output_names)
    names = {f"output {name}": name for name in copied.output_names}
    named = dict(zip(reversed(copied.outputs), reversed(copied.output_names), strict=True))
    for key in keys:
        value = copied.layer_outputs[key]
        if value not in named:
            # The name of an output must not be one that the model uses.
            named[value] = scope.unique(key)
            copied.outputs.append(value)
            copied.output_names.append(named[value])
        names[key] = named[value]
    return Exposed(copied, names)
