"""Dtype policies: what a layer computes in, and how its weights are quantized."""

from __future__ import annotations

from kexport.errors import LoweringError
from kexport.ir import dtypes
from kexport.loading.policies import Policy, parse_policy, policy_name
from kexport.loading.spec import LayerSpec

__all__ = ["Policy", "compute_dtype", "policy_of"]


def policy_of(layer: LayerSpec, inside: str = "") -> Policy:
    """The policy of ``layer``, or of the layer called ``inside`` in it: float32 where the config has none.

    Raises:
        LoweringError: it is none that Keras has.
    """
    name = policy_name(layer.config.get("dtype"), layer.path, inside)
    policy = parse_policy("float32" if name is None else name)
    if policy.compute not in dtypes.ALL:
        raise LoweringError(
            f"Layer {layer.path!r} ({layer.class_name}): its dtype policy is none that Keras has. Received: {name!r}.",
            hint="Keras 3's policies are a dtype, mixed_float16, mixed_bfloat16, and int8, int4, float8, gptq or awq from one of these.",
        )
    return policy


#: The modes of quantized policies that Keras's classes compute in (``quantized_call`` in keras/src/layers, 3.15).
_MODES = {
    **dict.fromkeys(["Dense", "EinsumDense"], ("int8", "int4", "float8", "gptq", "awq")),
    **dict.fromkeys(["Embedding", "ReversibleEmbedding"], ("int8", "int4")),
}


def compute_dtype(layer: LayerSpec) -> str:
    """The dtype that ``layer`` computes in: that of its policy, ``float32`` where the config has none.

    Raises:
        LoweringError: the policy is none that Keras has, or a quantized one that Keras has no computation for in this class.
    """
    policy = policy_of(layer)
    if policy.mode and policy.mode not in _MODES.get(layer.class_name, ()):
        raise LoweringError(
            f"Layer {layer.path!r} ({layer.class_name}): a layer computes in a plain or mixed dtype policy, "
            f"{', '.join(_MODES)} in quantized ones too. Received: {layer.config.get('dtype')!r}.",
            hint="Give the layer the policy that the quantized one is from.",
        )
    return policy.compute
