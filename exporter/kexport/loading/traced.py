"""A graph that was traced from the user's own code, as a :class:`ModelSpec`.

What ``kexport.tracing`` writes down has layers as files have them (``raw``), those of the user's own by name alone (``custom``),
and weights by key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from kexport.ir import Constant
from kexport.loading.backend_order import normalized
from kexport.loading.context import Context
from kexport.loading.inbound import calls_of
from kexport.loading.spec import CallSpec, Filled, LayerSpec, Length, ModelSpec, Provenance, TensorRef
from kexport.loading.topology import read_layer
from kexport.loading.weights import Assigned, Named, assign_flat, with_weights

#: The weight that is kept under a key.
Weights = Callable[[str], Constant]


def read_traced(
    record: Mapping[str, Any], inputs: int, weights: Weights, provenance: Provenance, *, path: str, label: str
) -> ModelSpec:
    """The traced graph of a call.

    Args:
        record: ``layers`` by name, and ``outputs`` and ``masks`` as ``[layer, call, tensor]``.
        inputs: how many tensors the call takes; they are the layers ``input_0``, ``input_1``, …
        path: of the layer that was called; those inside stand below it.
        label: what the user calls the model.

    Returns:
        A model whose outputs are the call's, then their masks.
    """
    ctx = Context(label, provenance, provenance.backend)
    names = [f"input_{index}" for index in range(inputs)]
    layers = [
        LayerSpec(name, f"{path}/{name}", "InputLayer", {"name": name}, module="keras.layers")
        for name in names
    ]
    assigned: Assigned = {}
    for name, entry in record["layers"].items():
        layer = _layer(entry, ctx, path=f"{path}/{name}", name=name)
        _assign(layer, entry, weights, assigned, ctx)
        calls = tuple(_call(call, weights) for call in calls_of(entry["nodes"], (), layer.path, ctx))
        layers.append(replace(layer, calls=calls))
    outputs = tuple(TensorRef(*reference) for reference in [*record["outputs"], *record["masks"]])
    model = ModelSpec(
        name=path,
        class_name="Functional",
        layers=tuple(layers),
        inputs=tuple(TensorRef(name) for name in names),
        outputs=outputs,
        input_names=tuple(names),
        output_names=tuple(f"output_{index}" for index in range(len(outputs))),
        provenance=provenance,
    )
    return with_weights(model, assigned, lambda layer: normalized(layer, ctx))


def _layer(entry: Mapping[str, Any], ctx: Context, *, path: str, name: str) -> LayerSpec:
    if "custom" in entry:
        return LayerSpec(name, path, entry["custom"], dict(entry["config"]))
    return read_layer(entry["raw"], ctx, path=path, name=name, depth=0)


def _assign(
    layer: LayerSpec, entry: Mapping[str, Any], weights: Weights, assigned: Assigned, ctx: Context
) -> None:
    if layer.model is not None:
        for inner in layer.model.layers:
            own = entry["inside"].get(inner.name, [])
            if own:
                assigned.update(assign_flat(inner, _named(own, weights), ctx))
    elif entry.get("weights"):
        assigned.update(assign_flat(layer, _named(entry["weights"], weights), ctx))


def _named(pairs: list[list[str]], weights: Weights) -> list[Named]:
    return [Named(name, weights(key)) for name, key in pairs]


def _call(call: CallSpec, weights: Weights) -> CallSpec:
    """The call with its weights in place of their keys."""

    def filled(item: Any) -> Any:
        if isinstance(item, Mapping):
            match item.get("class_name"):
                case "__weight__":
                    return weights(item["config"])
                case "__filled__":
                    return Filled(**item["config"])
                case "__length__":
                    return Length(**item["config"])
            return {key: filled(value) for key, value in item.items()}
        if isinstance(item, list | tuple):
            return type(item)(filled(value) for value in item)
        return item

    return CallSpec(filled(call.args), filled(call.kwargs))


def read_around(
    description: Mapping[str, Any], provenance: Provenance, *, source: Path | None, label: str
) -> ModelSpec:
    """The Functional model around one that is code: its inputs, and the model as its one layer, whose call is to be traced.

    Args:
        description: as ``description`` of ``record_model.py`` makes it.
    """
    ctx = Context(label, provenance, provenance.backend)
    name = str(description["name"])
    inputs = [
        LayerSpec(
            entry["name"],
            entry["name"],
            "InputLayer",
            {"batch_shape": entry["shape"], "dtype": entry["dtype"], "name": entry["name"]},
            module="keras.layers",
        )
        for entry in description["inputs"]
    ]
    config = {"name": name, "dtype": description["dtype"]}
    calls = calls_of([description["call"]], (), name, ctx)
    layer = LayerSpec(name, name, str(description["class_name"]), config, calls=calls)
    outputs = tuple(description["outputs"])
    return ModelSpec(
        name=name,
        class_name=layer.class_name,
        layers=(*inputs, layer),
        inputs=tuple(TensorRef(entry.name) for entry in inputs),
        outputs=tuple(TensorRef(name, 0, index) for index in range(len(outputs))),
        input_names=tuple(entry.name for entry in inputs),
        output_names=outputs,
        provenance=provenance,
        source=source,
    )
