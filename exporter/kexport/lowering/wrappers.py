"""Wrappers, masking, and what can't be lowered by name."""

from __future__ import annotations

from kexport.ir import Value, dims
from kexport.loading.spec import LayerSpec
from kexport.lowering.arguments import number
from kexport.lowering.registry import Context, lowers
from kexport.lowering.regularization import refuse_training


def _child(ctx: Context) -> LayerSpec:
    child = ctx.layer.children.get("layer")
    if child is None:
        raise ctx.error("It wraps a layer. Received: none")
    return child


@lowers("TimeDistributed")
def lower_time_distributed(ctx: Context, x: Value) -> Value | list[Value]:
    """The wrapped layer on (batch * time, ...): it sees each step as a sample."""
    refuse_training(ctx)
    if x.rank < 3:
        raise ctx.error(f"It takes (batch, time, ...). Received: {x.type}")
    lead = x.shape[:2]
    folded = ctx.b.op("reshape", x, shape=(dims.product(lead), *x.shape[2:]))
    results = ctx.lower_layer(_child(ctx), [folded], {})
    return [ctx.b.op("reshape", value, shape=(*lead, *value.shape[1:])) for value in results]


@lowers("SpectralNormalization", "Wrapper")
def lower_wrapper(ctx: Context, *inputs: Value) -> list[Value]:
    """The wrapped layer: spectral normalization changes its kernel in training, and the file has the result."""
    refuse_training(ctx)
    return ctx.lower_layer(_child(ctx), list(inputs), {})


@lowers("Pipeline")
def lower_pipeline(ctx: Context, x: Value) -> list[Value]:
    """One layer after the other."""
    values = [x]
    for child in ctx.layer.children.values():
        values = ctx.lower_layer(child, values, {})
    return values


@lowers("Masking")
def lower_masking(ctx: Context, x: Value) -> Value:
    """``x`` with the steps that are ``mask_value`` throughout set to 0; the mask has the others."""
    differs = ctx.b.op("not_equal", x, ctx.b.scalar(number(ctx, "mask_value", 0.0), x))
    kept = ctx.b.op("reduce_any", differs, axes=(x.rank - 1,), keepdims=True)
    result = ctx.b.op("mul", x, ctx.b.op("cast", kept, dtype=x.dtype))
    ctx.put_mask(result, ctx.b.op("squeeze", kept, axes=(x.rank - 1,)))
    return result


@lowers("Lambda", refusing="its function is Python code, which runs with --trust-lambda alone")
def lower_lambda(ctx: Context, *inputs: Value) -> Value:
    """Refused where the user does not say to run it: its function is Python code, out of the model file."""
    raise ctx.error(
        "A Lambda layer's function is Python code, and no code from a model file is run unasked",
        hint="If you trust whoever made the file: --trust-lambda runs the code, with your rights, in a process of its own. Or replace "
        "the layer by Keras's own (Rescaling, Reshape, Activation, Add, …) before the model is saved.",
    )
