"""Dense, EinsumDense and Embedding."""

from __future__ import annotations

from kexport.ir import Value
from kexport.lowering.activations import apply_activation
from kexport.lowering.arguments import integer
from kexport.lowering.einsum import einsum
from kexport.lowering.registry import Context, lowers


def refuse_adapted(ctx: Context) -> None:
    """Raise when the weights are quantized or carry a LoRA: what they compute is not in ``kernel`` alone."""
    if ctx.layer.config.get("quantization_config") or ctx.layer.config.get("quantization_mode"):
        raise ctx.error(
            "Quantized layers are not lowered",
            hint="Save the model before quantize(), and let the export quantize it.",
        )
    if any("lora" in name for name in ctx.layer.weights):
        raise ctx.error(
            "Weights with a LoRA are not lowered",
            hint="Save the model as .keras, which merges it into the kernel.",
        )


@lowers("Dense")
def lower_dense(ctx: Context, x: Value) -> Value:
    """Multiply x (..., in) by kernel (in, units), plus bias; any rank from 2."""
    refuse_adapted(ctx)
    kernel = ctx.weight("kernel")
    if ctx.layer.config.get("units", kernel.shape[-1]) != kernel.shape[-1]:
        raise ctx.error(f"Its kernel has units={ctx.arg('units')!r} columns. Received: {kernel.shape}")
    if x.rank < 1 or x.shape[-1] != kernel.shape[0]:
        raise ctx.error(
            f"The last dimension of its input is {kernel.shape[0]}, as its kernel's first. Received: {x.type}"
        )
    bias = ctx.weight_value("bias") if ctx.layer.config.get("use_bias", True) else None
    product = ctx.b.op("dense", _as_compute(ctx, x), ctx.weight_value("kernel"), bias)
    return apply_activation(ctx, product)


@lowers("EinsumDense")
def lower_einsum_dense(ctx: Context, x: Value) -> Value:
    """``einsum(equation, x, kernel)`` plus a bias that broadcasts (Keras stores it with 1s where it does)."""
    refuse_adapted(ctx)
    result = einsum(ctx, str(ctx.arg("equation")), _as_compute(ctx, x), ctx.weight_value("kernel"))
    if ctx.has_weight("bias"):
        result = ctx.b.op("add", result, ctx.weight_value("bias"))
    return apply_activation(ctx, result)


@lowers("Embedding")
def lower_embedding(ctx: Context, x: Value) -> Value:
    """Rows of ``embeddings`` (input_dim, output_dim) at the integers x; floats are truncated, as Keras does.

    With ``mask_zero``, the mask of the result has the steps where x is not 0.
    """
    refuse_adapted(ctx)
    rows = ctx.weight("embeddings").shape[0]
    if rows != integer(ctx, "input_dim"):
        raise ctx.error(f"Its table has input_dim={ctx.arg('input_dim')} rows. Received: {rows}")
    indices = x if x.dtype in ("int32", "int64") else ctx.b.op("cast", x, dtype="int32")
    result = ctx.b.op("gather", ctx.weight_value("embeddings"), indices)
    if ctx.layer.config.get("mask_zero"):
        ctx.put_mask(result, ctx.b.op("not_equal", x, ctx.b.scalar(0, x)))
    return result


def _as_compute(ctx: Context, x: Value) -> Value:
    """``x`` in the compute dtype: a matrix product of integers and floats is one of floats in Keras."""
    return x if x.dtype == ctx.compute_dtype else ctx.b.op("cast", x, dtype=ctx.compute_dtype)
