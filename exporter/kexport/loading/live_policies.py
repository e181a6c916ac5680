"""The policies of a live model's attention projections, which ``quantize`` changes and the layer's config does not tell (Keras 3.15)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from kexport.loading.configs import plain_config
from kexport.loading.quantized_layout import WITH_PROJECTIONS
from kexport.loading.spec import LayerSpec, ModelSpec


def with_live_policies(spec: ModelSpec, model: Any) -> ModelSpec:
    """``spec``, whose attention layers have a map of the policies that their projections have in the live ``model``."""
    live = {layer.name: layer for layer in getattr(model, "layers", ())}
    return replace(spec, layers=tuple(_layer(layer, live.get(layer.name)) for layer in spec.layers))


def _layer(layer: LayerSpec, live: Any) -> LayerSpec:
    if live is None:
        return layer
    if layer.model is not None:
        return replace(layer, model=with_live_policies(layer.model, live))
    if layer.children:
        found = {role: _layer(child, getattr(live, role, None)) for role, child in layer.children.items()}
        return replace(layer, children=found)
    quantized = list(_quantized(live)) if layer.class_name in WITH_PROJECTIONS else []
    if not quantized:
        return layer
    policies = {f"{layer.name}/{part.name}": part.dtype_policy.name for part in quantized}
    default = {"class_name": "DTypePolicy", "config": {"name": live.compute_dtype}}
    saved = {
        "dtype": {
            "class_name": "DTypePolicyMap",
            "config": {"default_policy": default, "policy_map": policies},
        },
        "quantization_config": _config_of(quantized[0]),
    }
    return replace(layer, config={**layer.config, **plain_config(saved)})


def _quantized(live: Any) -> Iterator[Any]:
    """The quantized layers inside a live one."""
    for part in live._flatten_layers(include_self=False):  # noqa: SLF001  (Keras has no public way to them)
        policy = getattr(part, "dtype_policy", None)
        if getattr(policy, "quantization_mode", None) is not None:
            yield part


def _config_of(part: Any) -> Any:
    """The quantization config of a projection, as a file would hold it."""
    return part.get_config().get("quantization_config")
