"""Convolutions, pools, normalizations, attention and one-hot encodings. What a layer computes too, its rule does."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from kexport.ir import Constant, Value
from kexport.loading.spec import LayerSpec
from kexport.lowering.arguments import normalized_axes, normalized_axis
from kexport.lowering.einsum import einsum
from kexport.lowering.normalization import KERAS_EPSILON
from kexport.lowering.operations.operands import (
    arguments,
    as_float,
    cast,
    flag,
    length,
    only,
    option,
    promoted,
    reduced_axes,
    reshaped,
    tensor,
    transposed,
)
from kexport.lowering.operations.reduction import vector_norm, wide_float
from kexport.lowering.operations.shape import repeated
from kexport.lowering.registry import Context, lowers


def as_layer(
    ctx: Context,
    class_name: str,
    x: Value,
    config: dict[str, Any],
    weights: dict[str, Constant] | None = None,
) -> Value:
    """What the layer ``class_name`` with these arguments and weights computes on ``x``, in the dtype of x."""
    spec = LayerSpec(
        ctx.layer.name, ctx.layer.path, class_name, {"dtype": x.dtype, **config}, weights=weights or {}
    )
    (result,) = ctx.lower_layer(spec, [x], {})
    return result


def _kernel(ctx: Context, item: Any, dtype: str) -> Constant:
    value = tensor(ctx, item, None if isinstance(item, Value) else dtype)
    if value.constant is None:
        raise ctx.error(
            f"Its kernel is known when exporting. Received: {value.type}, which the model computes",
            hint="Use a layer, which holds its kernel, or einsum.",
        )
    return value.constant


def _window(ctx: Context, kernel: Constant) -> dict[str, Any]:
    return {
        "kernel_size": list(kernel.shape[:-2]),
        "strides": option(ctx, "strides", 1),
        "padding": str(option(ctx, "padding", "valid")).lower(),
        "data_format": option(ctx, "data_format") or "channels_last",
        "dilation_rate": option(ctx, "dilation_rate", 1),
        "use_bias": False,
        "activation": "linear",
    }


@lowers("ops.Conv", "ops.DepthwiseConv", "ops.ConvTranspose")
def lower_conv(ctx: Context, *inputs: Value) -> Value:
    """The layer of the same name without bias; the groups of a ``Conv`` follow from the kernel's channels."""
    given, weights = arguments(ctx, "inputs", "kernel")
    x = as_float(ctx, given)
    kernel = _kernel(ctx, weights, x.dtype)
    rank, name = x.rank - 2, ctx.layer.class_name
    config = _window(ctx, kernel)
    if name == "Conv":
        channels = length(ctx, x, -1 if config["data_format"] == "channels_last" else 1)
        config["groups"] = channels // kernel.shape[-2]
    elif name == "ConvTranspose":
        config["output_padding"] = option(ctx, "output_padding")
    classes = {"Conv": f"Conv{rank}D", "ConvTranspose": f"Conv{rank}DTranspose"}
    return as_layer(ctx, classes.get(name, f"DepthwiseConv{rank}D"), x, config, {"kernel": kernel})


@lowers("ops.SeparableConv")
def lower_separable_conv(ctx: Context, *inputs: Value) -> Value:
    """The layer of the same name without bias."""
    given, depthwise, pointwise = arguments(ctx, "inputs", "depthwise_kernel", "pointwise_kernel")
    x = as_float(ctx, given)
    weights = {
        "depthwise_kernel": _kernel(ctx, depthwise, x.dtype),
        "pointwise_kernel": _kernel(ctx, pointwise, x.dtype),
    }
    config = _window(ctx, weights["depthwise_kernel"])
    return as_layer(ctx, f"SeparableConv{x.rank - 2}D", x, config, weights)


_POOLS: Final = {
    "AdaptiveAveragePool": "AdaptiveAveragePooling",
    "AdaptiveMaxPool": "AdaptiveMaxPooling",
    "AveragePool": "AveragePooling",
    "MaxPool": "MaxPooling",
}


@lowers(*(f"ops.{name}" for name in _POOLS))
def lower_pool(ctx: Context, *inputs: Value) -> Value:
    """The pooling layer."""
    x = only(ctx, "inputs")
    config = {
        "padding": str(option(ctx, "padding", "valid")).lower(),
        "data_format": option(ctx, "data_format") or "channels_last",
        **{name: option(ctx, name) for name in ("pool_size", "strides", "output_size")},
    }
    return as_layer(ctx, f"{_POOLS[ctx.layer.class_name]}{x.rank - 2}D", x, config)


@lowers("ops.OneHot", "ops.MultiHot")
def lower_one_hot(ctx: Context, *inputs: Value) -> Value:
    """1 at each index along a new ``axis`` of ``num_classes``, 0 elsewhere; ``MultiHot``: the maximum over axis 1 of that."""
    many = ctx.layer.class_name == "MultiHot"
    x = cast(ctx, only(ctx, "inputs" if many else "x"), "int32")
    if flag(ctx, "sparse"):
        raise ctx.error("sparse is False. Received: True")
    depth = option(ctx, "num_classes") or option(ctx, "num_tokens")
    hot = ctx.b.op("one_hot", x, depth=int(depth), dtype=str(option(ctx, "dtype") or "float32"))
    axis = normalized_axis(ctx, option(ctx, "axis", -1), hot.rank)
    perm = [*range(x.rank)]
    perm.insert(axis, x.rank)
    hot = transposed(ctx, hot, tuple(perm))
    return ctx.b.op("reduce_max", hot, axes=(min(x.rank, 2) - 1,)) if many else hot


@lowers("ops.BatchNorm")
def lower_batch_norm(ctx: Context, *inputs: Value) -> Value:
    """``(x - mean) / sqrt(variance + epsilon) * scale + offset``, numbers a channel of ``axis``."""
    given, *numbers = arguments(ctx, "x", "mean", "variance", "offset", "scale")
    x, b = tensor(ctx, given), ctx.b
    axis = normalized_axis(ctx, option(ctx, "axis", -1), x.rank)
    mean, variance, offset, scale = (_channels(ctx, item, x, (axis,)) for item in numbers)
    assert mean is not None
    assert variance is not None
    factor = b.op("rsqrt", b.op("add", variance, b.scalar(float(option(ctx, "epsilon", 1e-3)), x)))
    factor = factor if scale is None else b.op("mul", factor, scale)
    result = b.op("mul", b.op("sub", x, mean), factor)
    return result if offset is None else b.op("add", result, offset)


def _channels(ctx: Context, item: Any, x: Value, axes: tuple[int, ...]) -> Value | None:
    """``item`` with its dimensions on ``axes`` of ``x``."""
    if item is None:
        return None
    value = tensor(ctx, item, x.dtype)
    if value.rank != len(axes):
        return value
    rest = iter(value.shape)
    return reshaped(ctx, value, tuple(next(rest) if axis in axes else 1 for axis in range(x.rank)))


@lowers("ops.LayerNorm", "ops.RMSNorm")
def lower_layer_norm(ctx: Context, *inputs: Value) -> Value:
    """``(x - mean) / sqrt(variance + epsilon) * gamma + beta`` over ``axis``; ``RMSNorm``: ``x / sqrt(mean(x^2) + epsilon) * scale``.

    With ``rms_scaling`` the first only divides, by the root of the variance, and gamma alone is used.
    """
    rms = ctx.layer.class_name == "RMSNorm"
    given, gamma, beta = (
        [*arguments(ctx, "x", "scale"), None] if rms else arguments(ctx, "x", "gamma", "beta")
    )
    x, b = tensor(ctx, given), ctx.b
    axes = normalized_axes(ctx, option(ctx, "axis", -1), x.rank)
    wide = cast(ctx, x, wide_float(x))
    centred = wide if rms else b.op("sub", wide, b.op("reduce_mean", wide, axes=axes, keepdims=True))
    power = b.op("reduce_mean", b.op("square", centred), axes=axes, keepdims=True)
    epsilon = option(ctx, "epsilon")
    factor = b.op("rsqrt", b.op("add", power, b.scalar(KERAS_EPSILON if epsilon is None else epsilon, wide)))
    scaled = b.op("mul", wide if flag(ctx, "rms_scaling") else centred, factor)
    scale = tensor(ctx, gamma, wide.dtype) if rms and gamma is not None else _channels(ctx, gamma, wide, axes)
    offset = None if flag(ctx, "rms_scaling") else _channels(ctx, beta, wide, axes)
    scaled = scaled if scale is None else b.op("mul", scaled, scale)
    return cast(ctx, scaled if offset is None else b.op("add", scaled, offset), x.dtype)


@lowers("ops.Normalize")
def lower_normalize(ctx: Context, *inputs: Value) -> Value:
    """``x / max(norm, epsilon)``, the norm of ``order`` over ``axis``."""
    x, b = as_float(ctx, only(ctx)), ctx.b
    axes = reduced_axes(ctx, option(ctx, "axis", -1), x.rank)
    epsilon, order = option(ctx, "epsilon"), option(ctx, "order", 2)
    floor = KERAS_EPSILON if epsilon is None else float(epsilon)
    if order != 2:
        norm = vector_norm(ctx, x, axes, order, keepdims=True)
        return b.op("div", x, b.op("maximum", norm, b.scalar(floor, x)))
    total = b.op("reduce_sum", b.op("square", x), axes=axes, keepdims=True)
    # In float16 the bound is infinite, and the root of 0 stays so.
    bound = 1 / floor if x.dtype != "float16" or 1 / floor < float(np.finfo(np.float16).max) else math.inf
    return b.op("mul", x, b.op("minimum", b.op("rsqrt", total), b.scalar(bound, x)))


@lowers("ops.DotProductAttention")
def lower_dot_product_attention(ctx: Context, *inputs: Value) -> Value:
    """``softmax(query key^T * scale + bias) value`` a head: (batch, steps, heads, size) each.

    Fewer heads of key and value stand for groups of query heads. What the mask, or with ``is_causal`` the future, excludes
    gets a large negative logit. ``scale`` is ``1 / sqrt(size)`` by default.
    """
    query, key, value, bias, mask, scale = arguments(ctx, "query", "key", "value", "bias", "mask", "scale")
    q, k, v = promoted(ctx, query, key, value)
    if q.rank != 4 or k.rank != 4 or v.rank != 4:
        raise ctx.error(f"It takes four dimensions. Received: {q.type}, {k.type} and {v.type}")
    if option(ctx, "attn_logits_soft_cap") is not None or option(ctx, "flash_attention"):
        raise ctx.error(
            "attn_logits_soft_cap and flash_attention, which TPUs and GPUs alone have, are not lowered"
        )
    b, heads, shared = ctx.b, length(ctx, q, 2), length(ctx, k, 2)
    if heads != shared:
        k, v = (repeated(ctx, item, 2, heads // shared) for item in (k, v))
    factor = 1 / math.sqrt(length(ctx, k, 3)) if scale is None else scale
    wide = wide_float(q)
    logits = cast(ctx, einsum(ctx, "abcd,aecd->acbe", q, k), wide)
    logits = b.op("mul", logits, tensor(ctx, factor, wide))
    logits = logits if bias is None else b.op("add", logits, tensor(ctx, bias, wide))
    excluded = b.scalar(-0.7 * 3.38953e38, logits)
    for kept in _masks(ctx, mask, logits):
        logits = b.op("select", kept, logits, excluded)
    weights = cast(ctx, b.op("softmax", logits, axis=3), k.dtype)
    return einsum(ctx, "acbe,aecd->abcd", weights, v)


def _masks(ctx: Context, mask: Any, logits: Value) -> list[Value]:
    """What of the logits counts: the mask, and with ``is_causal`` the steps up to each one's own."""
    found = [] if mask is None else [tensor(ctx, mask, "bool")]
    if flag(ctx, "is_causal"):
        past = np.tri(length(ctx, logits, 2), length(ctx, logits, 3), dtype=bool)
        found.append(ctx.b.constant(past, "bool", name="past"))
    return found
