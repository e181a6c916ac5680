"""The variables of quantized layers and of layers with a LoRA, from those of the plain ones.

Order: ``variable_serialization_spec`` of keras/src/layers/core/{dense,einsum_dense,embedding,reversible_embedding}.py, 3.15. Which
are trainable decides their order in legacy files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kexport.ir import Constant
from kexport.loading.policies import Policy, parse_policy, policy_name
from kexport.loading.spec import LayerSpec
from kexport.loading.variables import Variable

#: What a float8 layer keeps beside its kernel and bias: a scale and the largest magnitudes of late, each.
FLOAT8 = (
    "inputs_scale",
    "inputs_amax_history",
    "kernel_scale",
    "kernel_amax_history",
    "outputs_grad_scale",
    "outputs_grad_amax_history",
)

_WITH_KERNEL = frozenset(["Dense", "EinsumDense"])
_WITH_TABLE = frozenset(["Embedding", "ReversibleEmbedding"])
#: Attention layers, whose projections are EinsumDense layers.
WITH_PROJECTIONS = frozenset(["MultiHeadAttention", "GroupQueryAttention"])


def adapted(layer: LayerSpec, plain: list[Variable]) -> list[Variable]:
    """The variables of ``layer``, which would have the ``plain`` ones without quantization and LoRA."""
    if layer.class_name in WITH_PROJECTIONS:
        return _projections(layer, plain)
    if layer.class_name not in _WITH_KERNEL | _WITH_TABLE:
        return plain
    quantized = _quantized(plain, _policy(layer))
    lora = (
        ("lora_kernel", "kernel") if layer.class_name in _WITH_KERNEL else ("lora_embeddings", "embeddings")
    )
    return _with_lora(quantized, *lora) if layer.config.get("lora_rank") else quantized


def _policy(layer: LayerSpec, inside: str = "") -> Policy:
    return parse_policy(policy_name(layer.config.get("dtype"), layer.path, inside) or "float32")


def _projections(layer: LayerSpec, plain: list[Variable]) -> list[Variable]:
    """Each projection of an attention layer is an EinsumDense with a policy of its own."""
    made: list[Variable] = []
    for name in dict.fromkeys(variable.name.partition("/")[0] for variable in plain):
        own = [variable for variable in plain if variable.name.startswith(f"{name}/")]
        bare = [replace(variable, name=variable.name.removeprefix(f"{name}/")) for variable in own]
        holder = own[0].holder
        made += [
            replace(variable, name=f"{name}/{variable.name}", holder=holder)
            for variable in _quantized(bare, _policy(layer, name))
        ]
    return made


def _quantized(plain: list[Variable], policy: Policy) -> list[Variable]:
    match policy.mode:
        case "int8" | "int4":
            return _scaled(
                plain, grouped=policy.mode == "int4" and policy.block is not None, bits=policy.bits
            )
        case "float8" if plain[0].name == "kernel":
            return [*plain, *(Variable(name, (None,) if "history" in name else ()) for name in FLOAT8)]
        case "gptq" | "awq" if plain[0].name == "kernel":
            return _calibrated(plain[1:], awq=policy.mode == "awq")
        case _:
            return plain


def _scaled(plain: Sequence[Variable], *, grouped: bool, bits: int) -> list[Variable]:
    """A quantized kernel or table, what is not quantized, and the scales; with groups of rows their zeros and the rows' groups."""
    table = plain[0].name
    shape = plain[0].shape if bits == 8 else None
    made = [Variable(table, shape, trainable=False)]
    made += [variable for variable in plain[1:] if variable.name == "bias"]
    made.append(Variable(f"{table}_scale", trainable=False))
    if grouped:
        made += [Variable(f"{table}_zero", trainable=False), Variable("g_idx", (None,), trainable=False)]
    if any(variable.name == "reverse_embeddings" for variable in plain):
        names = ["reverse_embeddings", "reverse_embeddings_scale"]
        made += [Variable(name, trainable=False) for name in names]
        made += [Variable("reverse_embeddings_zero", trainable=False)] if grouped else []
    return made


def _calibrated(rest: Sequence[Variable], *, awq: bool) -> list[Variable]:
    """What GPTQ and AWQ leave of a kernel (in, out): its levels (out, in), two in a byte where they have 4 bits."""
    names = ["quantized_kernel", "kernel_scale", "kernel_zero", *(["awq_scales"] if awq else []), "g_idx"]
    return [*rest, *(Variable(name, trainable=False) for name in names)]


def _with_lora(plain: list[Variable], prefix: str, adapts: str) -> list[Variable]:
    """The two factors, which legacy files and live models have; Keras 3's own format holds their product in the kernel."""
    frozen = [
        replace(variable, trainable=False) if variable.name == adapts else variable for variable in plain
    ]
    return [
        *frozen,
        *(
            Variable(f"{prefix}_{half}", (None, None) if prefix == "lora_embeddings" else None, merged=True)
            for half in "ab"
        ),
    ]


def is_late(name: str) -> bool:
    """Whether a layer that was loaded lists the variable last: a float8 one has its scales first (``Dense.build``)."""
    return name.rpartition("/")[2] not in FLOAT8


def lost(
    layer: LayerSpec, variables: Sequence[Variable], found: Sequence[Constant]
) -> tuple[str, str] | None:
    """What Keras 3.15 itself has lost of a quantized layer in a file, and the way out; None where that is not what is missing."""
    names = [variable.name.rpartition("/")[2] for variable in variables]
    if "quantized_kernel" in names and len(found) == len(names) - 1:
        problem = (
            f"The file has no kernel_zero for layer {layer.path!r}: Keras 3.15 leaves it out of .keras files of GPTQ and AWQ, "
            "and can't load them itself"
        )
        return problem, "Save the model as .h5, or export it from Python: kexport.export(model, …)."
    float8 = len(found) - len(names) == len(FLOAT8) * names.count("kernel")
    if layer.class_name in WITH_PROJECTIONS and (
        float8 or any(constant.dtype == "int8" for constant in found)
    ):
        problem = (
            f"The projections of layer {layer.path!r} ({layer.class_name}) are quantized, and its config does not say how: Keras 3.15 "
            "saves it without, and can't load such a file itself"
        )
        way = "Export the model from Python, kexport.export(model, …), or give the layer a DTypePolicyMap and save as .h5."
        return problem, way
    return None
