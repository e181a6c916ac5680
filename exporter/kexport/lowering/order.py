"""In which order the calls of a model's layers are lowered."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import TypeAlias

from kexport.errors import LoweringError
from kexport.loading.spec import LayerSpec, ModelSpec, TensorRef

#: A layer's name, and which of its calls.
Call: TypeAlias = tuple[str, int]


def in_order(model: ModelSpec, table: Mapping[str, LayerSpec], given: Container[TensorRef]) -> list[Call]:
    """The calls that the outputs depend on, each after those it depends on.

    Args:
        table: the model's layers by name.
        given: the tensors that are there from the beginning.

    Raises:
        LoweringError: a tensor comes from no call, or a call depends on its own output.
    """
    done: dict[Call, None] = {}
    opened: set[Call] = set()
    stack = [(ref.layer, ref.call) for ref in reversed(model.outputs) if ref not in given]
    while stack:
        call = name, index = stack[-1]
        if call in done:
            stack.pop()
            continue
        layer = table.get(name)
        if layer is None or not 0 <= index < len(layer.calls):
            raise LoweringError(
                f"Model {model.name!r}: a tensor comes from a call of a layer. Received: call {index} of {name!r}."
            )
        waiting = [parent for parent in _parents(layer, index, given) if parent not in done]
        if not waiting:
            stack.pop()
            done[call] = None
            continue
        if call in opened:
            raise LoweringError(f"Layer {layer.path!r} ({layer.class_name}): it depends on its own output.")
        opened.add(call)
        stack.extend(reversed(waiting))
    return list(done)


def by_depth(calls: list[Call], table: Mapping[str, LayerSpec], given: Container[TensorRef]) -> list[Call]:
    """``calls``, as :func:`in_order` has them, in the order in which Keras 3 runs them: those farthest from the outputs first.

    ``map_graph`` and ``Function._run_through_graph``, keras/src/ops/function.py, 3.15.
    """
    depths: dict[Call, int] = {}
    of_layer: dict[str, int] = {}
    for name, index in reversed(calls):
        depth = max(depths.get((name, index), 0), of_layer.get(name, 0))
        depths[name, index] = of_layer[name] = depth
        for parent in _parents(table[name], index, given):
            depths[parent] = max(depths.get(parent, 0), depth + 1)
    return sorted(depths, key=lambda call: -depths[call])


def _parents(layer: LayerSpec, index: int, given: Container[TensorRef]) -> list[Call]:
    return [(ref.layer, ref.call) for ref in layer.calls[index].tensors() if ref not in given]
