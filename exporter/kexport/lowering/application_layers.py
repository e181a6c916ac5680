"""Layers that keras.applications defines for its own models."""

from __future__ import annotations

from kexport.ir import Value
from kexport.lowering.arguments import number
from kexport.lowering.registry import Context, lowers


@lowers("LayerScale")
def lower_layer_scale(ctx: Context, x: Value) -> Value:
    """``x * gamma``, gamma a number a channel (ConvNeXt; keras/src/applications/convnext.py, 3.15)."""
    weights = list(ctx.layer.weights)
    width = ctx.layer.config.get("projection_dim")
    if len(weights) != 1 or ctx.weight(weights[0]).shape != (width,):
        raise ctx.error(
            "It has one weight, of projection_dim numbers, as the one of keras.applications' ConvNeXt"
        )
    return ctx.b.op("mul", x, ctx.weight_value(weights[0]))


@lowers("CustomScaleLayer")
def lower_custom_scale(ctx: Context, *inputs: Value) -> Value:
    """``a + scale * b`` (InceptionResNetV2; keras/src/applications/inception_resnet_v2.py, 3.15)."""
    a, b = inputs
    return ctx.b.op("add", a, ctx.b.op("mul", b, ctx.b.scalar(number(ctx, "scale", 1.0), b)))
