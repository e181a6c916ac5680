"""Activation functions as operations, with their arguments. Formulas: keras/src/ops/nn.py, 3.15."""

from __future__ import annotations

from typing import Final

from kexport.ir import Value
from kexport.lowering.activations import FUNCTIONS, softmax
from kexport.lowering.arguments import normalized_axis
from kexport.lowering.operations.operands import (
    as_float,
    flattened,
    only,
    option,
    reduced_axes,
    reshaped,
    tensor,
    transposed,
)
from kexport.lowering.registry import Context, lowers

#: Operation → the activation of the same name, where neither takes an argument.
_PLAIN: Final = {
    "HardSigmoid": "hard_sigmoid",
    "HardSilu": "hard_silu",
    "HardTanh": "hard_tanh",
    "LogSigmoid": "log_sigmoid",
    "Relu": "relu",
    "Relu6": "relu6",
    "Selu": "selu",
    "Sigmoid": "sigmoid",
    "Silu": "silu",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "SparsePlus": "sparse_plus",
    "SparseSigmoid": "sparse_sigmoid",
    "TanhShrink": "tanh_shrink",
}


@lowers(*(f"ops.{name}" for name in _PLAIN))
def lower_plain(ctx: Context, *inputs: Value) -> Value:
    """See :mod:`kexport.lowering.activations`."""
    return FUNCTIONS[_PLAIN[ctx.layer.class_name]](ctx, only(ctx))


@lowers("ops.LeakyRelu", "ops.Elu", "ops.Celu", "ops.Gelu")
def lower_with_slope(ctx: Context, *inputs: Value) -> Value:
    """``x`` above 0, below it ``negative_slope * x``, ``alpha * (exp(x) - 1)``, ``alpha * (exp(x / alpha) - 1)``; GELU, or its
    tanh form with ``approximate``."""
    x, b = only(ctx), ctx.b
    alpha = float(option(ctx, "alpha", 1.0))
    match ctx.layer.class_name:
        case "LeakyRelu":
            return b.op("leaky_relu", as_float(ctx, x), alpha=float(option(ctx, "negative_slope", 0.2)))
        case "Gelu":
            return b.op("gelu", x, approximate=bool(option(ctx, "approximate", True)))
        case "Elu":
            return b.op("elu", x, alpha=alpha)
    if alpha == 1:
        return b.op("elu", x, alpha=1.0)
    below = b.op("expm1", b.op("mul", b.op("minimum", x, b.scalar(0.0, x)), b.scalar(1 / alpha, x)))
    return b.op("add", b.op("relu", x), b.op("mul", below, b.scalar(alpha, x)))


@lowers("ops.HardShrink", "ops.SoftShrink", "ops.Threshold")
def lower_threshold(ctx: Context, *inputs: Value) -> Value:
    """``x`` where ``|x| > threshold``, else 0; ``x`` as much nearer to 0; ``x`` where ``x > threshold``, else ``default_value``."""
    x, b, name = only(ctx), ctx.b, ctx.layer.class_name
    threshold = float(option(ctx, "threshold", 0.5))
    if name == "SoftShrink":
        return b.op("sub", x, b.op("clip", x, min=-threshold, max=threshold))
    far = b.op("greater", b.op("abs", x) if name == "HardShrink" else x, b.scalar(threshold, x))
    other = tensor(ctx, option(ctx, "default_value") if name == "Threshold" else 0.0, x.dtype)
    return b.op("select", far, x, other)


@lowers("ops.Squareplus")
def lower_squareplus(ctx: Context, *inputs: Value) -> Value:
    """``(x + sqrt(x^2 + b)) / 2``."""
    x, b = only(ctx), ctx.b
    root = b.op("sqrt", b.op("add", b.op("square", x), b.scalar(float(option(ctx, "b", 4)), x)))
    return b.op("mul", b.op("add", x, root), b.scalar(0.5, x))


@lowers("ops.Glu", "ops.Sparsemax")
def lower_along_axis(ctx: Context, *inputs: Value) -> Value:
    """The activation along ``axis``, which goes last and comes back."""
    x = only(ctx)
    axis = normalized_axis(ctx, option(ctx, "axis", -1), x.rank)
    perm = (*(index for index in range(x.rank) if index != axis), axis)
    result = FUNCTIONS[ctx.layer.class_name.lower()](ctx, transposed(ctx, x, perm))
    return transposed(ctx, result, tuple(perm.index(index) for index in range(x.rank)))


@lowers("ops.Softmax", "ops.LogSoftmax")
def lower_softmax(ctx: Context, *inputs: Value) -> Value:
    """Softmax, or its logarithm, over ``axis``: one, several together, all for None."""
    x = as_float(ctx, only(ctx))
    axis = option(ctx, "axis", -1)
    whole = axis is None or x.rank == 0
    value = flattened(ctx, x) if whole else x
    axes = (0,) if whole else reduced_axes(ctx, axis, x.rank)
    if ctx.layer.class_name == "Softmax":
        return reshaped(ctx, softmax(ctx, value, axes), x.shape)
    if len(axes) > 1:
        raise ctx.error(f"axis is one axis, or None. Received: {axis!r}")
    return reshaped(ctx, ctx.b.op("log_softmax", value, axis=axes[0]), x.shape)
