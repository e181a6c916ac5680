"""Layers that are an activation."""

from __future__ import annotations

from kexport.ir import Constant, Value, dtypes
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
def lower_softmax(ctx: Context, x: Value, *more: Value) -> Value:
    """Softmax over ``axis``, one or several together, of what the mask lets count; the mask is the call's, or the one that x has.

    Keras 3 puts a large negative number in place of what is masked, and 0 in place of its result. Keras 2 adds as much of the number as
    the mask lacks to 1; with ``robust_masking`` it puts it in place, too (keras/src/layers/activations/softmax.py, 3.15; tf_keras/src/layers/activation/softmax.py, 2.21).
    """
    b, axes = ctx.b, normalized_axes(ctx, ctx.layer.config.get("axis", -1), x.rank)
    mask = _softmax_mask(ctx, x, more)
    if mask is None:
        return softmax(ctx, x, axes)
    half, old = x.dtype == "float16", ctx.provenance.keras_major < 3
    low = b.scalar((-65504.0 if old else -3e4) if half else -1e9, x)
    if old and not ctx.layer.config.get("robust_masking"):
        share = mask if mask.dtype == x.dtype else b.op("cast", mask, dtype=x.dtype)
        return softmax(ctx, b.op("add", x, b.op("mul", b.op("sub", b.scalar(1.0, share), share), low)), axes)
    counts = mask
    if mask.dtype != "bool":
        counts = b.op("greater", mask, b.scalar(0.5 if dtypes.is_float(mask.dtype) else 0, mask))
    weights = softmax(ctx, b.op("select", counts, x, low), axes)
    return weights if old else b.op("select", counts, weights, b.scalar(0.0, weights))


def _softmax_mask(ctx: Context, x: Value, more: tuple[Value, ...]) -> Value | None:
    """The mask, which broadcasts to ``x``."""
    given = ctx.kwargs.get("mask")
    given = given if given is not None or len(ctx.args) < 2 else ctx.args[1]
    given = given if given is not None or ctx.masks is None else ctx.masks.of(x)
    if given is None:
        return None
    if more or not isinstance(given, Value):
        raise ctx.error(f"It takes a tensor and a mask. Received: {given!r}")
    pairs = zip(reversed(given.shape), reversed(x.shape), strict=False)
    if given.rank > x.rank or any(
        isinstance(m, int) and isinstance(d, int) and m not in (1, d) for m, d in pairs
    ):
        raise ctx.error(
            f"Its mask broadcasts to its input. Received: {given.type} for {x.type}",
            hint="Call it with mask=… of the input's shape, or drop the mask before it.",
        )
    return given
