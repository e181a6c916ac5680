"""Layers that are an activation."""

from __future__ import annotations

from kexport.ir import Constant, Value
from kexport.lowering.activations import apply_activation, relu, softmax
from kexport.lowering.arguments import normalized_axes, number
from kexport.lowering.registry import Context, lowers


@lowers("Activation")
def lower_activation(ctx: Context, x: Value) -> Value:
    """``activation(x)``; any shape."""
    return apply_activation(ctx, x)


@lowers("ReLU")
def lower_relu(ctx: Context, x: Value) -> Value:
    """Rectified linear unit with ``negative_slope``, ``max_value`` and ``threshold``."""
    limit = ctx.layer.config.get("max_value")
    return relu(
        ctx,
        x,
        negative_slope=number(ctx, "negative_slope", 0.0),
        max_value=None if limit is None else number(ctx, "max_value", 0.0),
        threshold=number(ctx, "threshold", 0.0),
    )


@lowers("LeakyReLU")
def lower_leaky_relu(ctx: Context, x: Value) -> Value:
    """``negative_slope * x`` below 0 (``alpha`` in configs of Keras 2)."""
    name = "alpha" if "alpha" in ctx.layer.config else "negative_slope"
    return ctx.b.op("leaky_relu", x, alpha=number(ctx, name, 0.3))


@lowers("ELU")
def lower_elu(ctx: Context, x: Value) -> Value:
    """``alpha * (exp(x) - 1)`` below 0."""
    return ctx.b.op("elu", x, alpha=number(ctx, "alpha", 1.0))


@lowers("ThresholdedReLU")
def lower_thresholded_relu(ctx: Context, x: Value) -> Value:
    """``x`` above ``theta``, else 0."""
    above = ctx.b.op("greater", x, ctx.b.scalar(number(ctx, "theta", 1.0), x))
    return ctx.b.op("select", above, x, ctx.b.scalar(0.0, x))


@lowers("PReLU")
def lower_prelu(ctx: Context, x: Value) -> Value:
    """``alpha * x`` below 0, alpha of the input's shape without the batch, 1 along ``shared_axes``."""
    alpha: Constant = ctx.weight("alpha")
    if len(alpha.shape) != x.rank - 1:
        raise ctx.error(
            f"alpha has a dimension for each of the input's but the batch. Received: {alpha.shape} for {x.type}"
        )
    return ctx.b.op("prelu", x, ctx.weight_value("alpha"))


@lowers("Softmax")
def lower_softmax(ctx: Context, x: Value, *mask: Value) -> Value:
    """Softmax over ``axis``, one or several together."""
    if mask or len(ctx.args) > 1 or ctx.kwargs.get("mask") is not None:
        raise ctx.error(
            "It is called with a mask, and masks are not lowered",
            hint="Add a large negative number to the masked logits before the Softmax layer.",
        )
    return softmax(ctx, x, normalized_axes(ctx, ctx.layer.config.get("axis", -1), x.rank))
