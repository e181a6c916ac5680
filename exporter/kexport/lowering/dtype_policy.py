"""Dtype policies: what a layer computes in, and the casts that Keras puts before its call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kexport.errors import LoweringError
from kexport.ir import dtypes
from kexport.loading.spec import LayerSpec

#: Policies that compute in a dtype other than their name's (keras/src/dtype_policies/dtype_policy.py, 3.15).
_MIXED = {"mixed_float16": "float16", "mixed_bfloat16": "bfloat16"}


def compute_dtype(layer: LayerSpec) -> str:
    """The dtype that ``layer`` computes in: that of its policy, ``float32`` where the config has none.

    Raises:
        LoweringError: the policy is a quantized one, or none that Keras has.
    """
    name = policy_name(layer.config.get("dtype"))
    if name is None:
        return "float32"
    dtype = _MIXED.get(name, name)
    if dtype not in dtypes.ALL:
        raise LoweringError(
            f"Layer {layer.path!r} ({layer.class_name}): a layer computes in a plain or mixed dtype policy. Received: {name!r}.",
            hint="Save the model without quantized layers, and let the export quantize it.",
        )
    return dtype


def policy_name(saved: Any) -> str | None:
    """The name of a policy as configs hold it: a string, or ``{"class_name": "DTypePolicy", "config": {"name": …}}``."""
    if not isinstance(saved, Mapping):
        return None if saved is None else str(saved)
    config = saved.get("config")
    inner = config if isinstance(config, Mapping) else {}
    if saved.get("class_name") == "DTypePolicyMap":
        return policy_name(inner.get("default_policy"))
    name = inner.get("name")
    return None if name is None else str(name)
