"""Dense, EinsumDense and Embedding."""

from __future__ import annotations

from kexport.ir import Value
from kexport.lowering.activations import apply_activation
from kexport.lowering.arguments import integer
from kexport.lowering.quantized_products import Product, bias, product
from kexport.lowering.quantized_tables import rows_of_table
from kexport.lowering.registry import Context, lowers


@lowers("Dense")
def lower_dense(ctx: Context, x: Value) -> Value:
    """Multiply x (..., in) by kernel (in, units), plus bias; any rank from 2."""
    p = Product(ctx, _as_compute(ctx, x))
    if not p.policy.mode:
        _check_shapes(ctx, x)
    use_bias = ctx.layer.config.get("use_bias", True)
    if not _is_adapted(p):
        weights = [ctx.weight_value("kernel"), ctx.weight_value("bias") if use_bias else None]
        return apply_activation(ctx, ctx.b.op("dense", p.x, *weights))
    result = product(p)
    return apply_activation(ctx, ctx.b.op("add", result, bias(p)) if use_bias else result)


def _check_shapes(ctx: Context, x: Value) -> None:
    kernel = ctx.weight("kernel")
    if ctx.layer.config.get("units", kernel.shape[-1]) != kernel.shape[-1]:
        raise ctx.error(f"Its kernel has units={ctx.arg('units')!r} columns. Received: {kernel.shape}")
    if x.rank < 1 or x.shape[-1] != kernel.shape[0]:
        raise ctx.error(
            f"The last dimension of its input is {kernel.shape[0]}, as its kernel's first. Received: {x.type}"
        )


def _is_adapted(p: Product) -> bool:
    """Whether the kernel is quantized or carries a LoRA."""
    return bool(p.policy.mode) or p.ctx.has_weight(p.name("lora_kernel_a"))


@lowers("EinsumDense")
def lower_einsum_dense(ctx: Context, x: Value) -> Value:
    """``einsum(equation, x, kernel)`` plus a bias that broadcasts (Keras stores it with 1s where it does)."""
    equation = str(ctx.arg("equation"))
    p = Product(ctx, _as_compute(ctx, x), equation, sizes=_output_sizes(ctx, equation))
    result = product(p)
    if ctx.has_weight("bias"):
        result = ctx.b.op("add", result, bias(p))
    return apply_activation(ctx, result)


def _output_sizes(ctx: Context, equation: str) -> dict[str, int]:
    """The lengths that the argument ``output_shape`` gives letters of the result (``_analyze_split_string`` in
    keras/src/layers/core/einsum_dense.py, 3.15): without the batch and what an ellipsis stands for."""
    given = ctx.layer.config.get("output_shape")
    sizes = [given] if isinstance(given, int) else list(given or [])
    result = equation.replace(" ", "").partition("->")[2]
    letters = result.replace("...", "") if result.startswith("...") else result.replace("...", "")[1:]
    return {letter: size for letter, size in zip(letters, sizes, strict=False) if isinstance(size, int)}


@lowers("Embedding")
def lower_embedding(ctx: Context, x: Value) -> Value:
    """Rows of ``embeddings`` (input_dim, output_dim) at the integers x; floats are truncated, as Keras does.

    With ``mask_zero``, the mask of the result has the steps where x is not 0.
    """
    return embedded(ctx, x)


def embedded(ctx: Context, x: Value) -> Value:
    """What an embedding makes of the integers x, with its mask."""
    rows = ctx.stored_weight("embeddings").shape[0]
    if rows != integer(ctx, "input_dim"):
        raise ctx.error(f"Its table has input_dim={ctx.arg('input_dim')} rows. Received: {rows}")
    indices = x if x.dtype in ("int32", "int64") else ctx.b.op("cast", x, dtype="int32")
    result = rows_of_table(ctx, indices)
    if ctx.layer.config.get("mask_zero"):
        ctx.put_mask(result, ctx.b.op("not_equal", x, ctx.b.scalar(0, x)))
    return result


def _as_compute(ctx: Context, x: Value) -> Value:
    """``x`` in the compute dtype: a matrix product of integers and floats is one of floats in Keras."""
    return x if x.dtype == ctx.compute_dtype else ctx.b.op("cast", x, dtype=ctx.compute_dtype)
