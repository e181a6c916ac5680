"""Layers that Keras 1 had and no later version has.

Formulas: keras/layers/core.py, advanced_activations.py, normalization.py and keras/engine/topology.py (``Merge``) of Keras 1.2.2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from kexport.ir import Array, Constant, Value
from kexport.lowering.activations import apply_activation
from kexport.lowering.arguments import normalized_axis, number
from kexport.lowering.merging import dot, dot_axes
from kexport.lowering.normalization import KERAS_EPSILON
from kexport.lowering.registry import Context, lowers


@lowers("MaxoutDense")
def lower_maxout_dense(ctx: Context, x: Value) -> Value:
    """The largest of ``nb_feature`` dense layers, without activation: W (features, in, units), b (features, units)."""
    features, _, units = ctx.stored_weight("W").shape
    side_by_side = _mapped(ctx, "W", lambda w: w.transpose(1, 0, 2).reshape(w.shape[1], -1))
    bias = _mapped(ctx, "b", lambda array: array.reshape(-1)) if ctx.has_weight("b") else None
    product = ctx.b.op("dense", x, side_by_side, bias)
    each = ctx.b.op("reshape", product, shape=(x.shape[0], features, units))
    return ctx.b.op("reduce_max", each, axes=(1,), keepdims=False)


@lowers("Highway")
def lower_highway(ctx: Context, x: Value) -> Value:
    """``t activation(x W + b) + (1 - t) x`` with ``t = sigmoid(x W_carry + b_carry)``."""
    b = ctx.b
    bias, carry = (ctx.weight_value(name) if ctx.has_weight(name) else None for name in ("b", "b_carry"))
    gate = b.op("sigmoid", b.op("dense", x, ctx.weight_value("W_carry"), carry))
    made = apply_activation(ctx, b.op("dense", x, ctx.weight_value("W"), bias))
    passed = b.op("mul", b.op("sub", b.scalar(1.0, x), gate), x)
    return b.op("add", b.op("mul", made, gate), passed)


@lowers("ParametricSoftplus")
def lower_parametric_softplus(ctx: Context, x: Value) -> Value:
    """``alphas * log(1 + exp(betas * x))``, of the input's shape without the batch, 1 along ``shared_axes``."""
    alphas, betas = (ctx.weight_value(name) for name in ("alphas", "betas"))
    return ctx.b.op("mul", ctx.b.op("softplus", ctx.b.op("mul", x, betas)), alphas)


@lowers("SReLU")
def lower_s_relu(ctx: Context, x: Value) -> Value:
    """``x`` between ``t_left`` and ``right = t_left + |t_right|``; beyond, lines of slopes ``a_left`` and ``a_right`` from there.

    Theano takes the smaller of the leaky part and the width, TensorFlow of its positive half only, which differs where a
    negative ``a_left`` lifts what is far below (``relu`` in keras/backend).
    """
    b = ctx.b
    t_left, a_left, a_right = (ctx.weight_value(name) for name in ("t_left", "a_left", "a_right"))
    width = _mapped(ctx, "t_right", np.abs)
    above = b.op("sub", x, t_left)
    if ctx.provenance.backend == "theano":
        middle = b.op("minimum", b.op("prelu", above, a_left), width)
    else:
        below = b.op("mul", b.op("relu", b.op("neg", above)), a_left)
        middle = b.op("sub", b.op("minimum", b.op("relu", above), width), below)
    right = b.op("mul", b.op("relu", b.op("sub", above, width)), a_right)
    return b.op("add", b.op("add", t_left, middle), right)


@lowers("Merge")
def lower_cosine(ctx: Context, *inputs: Value) -> Value:
    """Mode ``cos``, the only one that no layer of Keras 3 computes: ``l1 · l2 / max(sqrt((l1 · l1) (l2 · l2)), 1e-7)`` with products
    along ``dot_axes``, and a dimension of 1 after the batch."""
    if len(inputs) != 2:
        raise ctx.error(f"It takes two inputs. Received: {len(inputs)}")
    b, (left, right) = ctx.b, inputs
    axes = dot_axes(ctx, left, right)
    squares = b.op("mul", dot(ctx, left, left, axes), dot(ctx, right, right, axes))
    root = b.op("sqrt", squares)
    divisor = b.op("maximum", root, b.scalar(KERAS_EPSILON, root))
    return b.op("expand_dims", b.op("div", dot(ctx, left, right, axes), divisor), axes=(1,))


@lowers("SampleNormalization")
def lower_sample_normalization(ctx: Context, x: Value) -> Value:
    """BatchNormalization of mode 1: each sample's last axis by its own statistics,
    ``gamma (x - mean) / (sqrt(variance + epsilon) + epsilon) + beta``."""
    b, epsilon = ctx.b, number(ctx, "epsilon", 1e-3)
    centred, variance = _statistics(ctx, x, (x.rank - 1,))
    small = b.scalar(epsilon, x)
    root = b.op("add", b.op("sqrt", b.op("add", variance, small)), small)
    scaled = b.op("mul", b.op("div", centred, root), ctx.weight_value("gamma"))
    return b.op("add", scaled, ctx.weight_value("beta"))


@lowers("WholeBatchNormalization")
def lower_whole_batch_normalization(ctx: Context, x: Value) -> Value:
    """BatchNormalization of mode 2: by the statistics of the batch at hand, at inference too, so that a sample's result depends
    on the others beside it: ``gamma (x - mean) / sqrt(variance + epsilon) + beta``."""
    b, axis = ctx.b, normalized_axis(ctx, ctx.layer.config.get("axis", -1), x.rank)
    if x.rank == 2 and x.shape[0] == 1:
        raise ctx.error(
            "It normalizes by the statistics of the batch at hand, of which one sample has none. Received: a batch of 1",
            hint="Say how many samples a batch has (--batch N), or leave it open (--batch dynamic).",
        )
    centred, variance = _statistics(ctx, x, tuple(i for i in range(x.rank) if i != axis))
    root = b.op("sqrt", b.op("add", variance, b.scalar(number(ctx, "epsilon", 1e-3), x)))
    shape = tuple(-1 if i == axis else 1 for i in range(axis, x.rank))
    gamma, beta = (_mapped(ctx, name, lambda array: array.reshape(shape)) for name in ("gamma", "beta"))
    return b.op("add", b.op("mul", b.op("div", centred, root), gamma), beta)


def _statistics(ctx: Context, x: Value, axes: Sequence[int]) -> tuple[Value, Value]:
    """``x - mean`` and the variance over ``axes``, which stay as 1."""
    mean = ctx.b.op("reduce_mean", x, axes=tuple(axes), keepdims=True)
    centred = ctx.b.op("sub", x, mean)
    return centred, ctx.b.op("reduce_mean", ctx.b.op("square", centred), axes=tuple(axes), keepdims=True)


def _mapped(ctx: Context, name: str, change: Callable[[Array], Array]) -> Value:
    """A weight after ``change``, as a constant; these weights are small."""
    made: Array = np.ascontiguousarray(change(ctx.weight(name).numpy()))
    return ctx.b.constant(Constant.of(made), name=name)
