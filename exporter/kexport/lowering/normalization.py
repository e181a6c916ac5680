"""Normalization layers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kexport.ir import Array, Constant, Dim, Value, dims, dtypes
from kexport.lowering.arguments import integer, normalized_axes, normalized_axis, number, numbers
from kexport.lowering.registry import Context, lowers
from kexport.lowering.regularization import refuse_training

#: ``keras.config.epsilon()``, its default (keras/src/backend/config.py): what Keras keeps divisors above.
KERAS_EPSILON = 1e-7


def _cast(ctx: Context, x: Value, dtype: str) -> Value:
    return x if x.dtype == dtype else ctx.b.op("cast", x, dtype=dtype)


def _float_of(x: Value) -> str:
    """Normalizations compute in float32 at least, whatever their policy (keras/src/layers/normalization, 3.15)."""
    return "float64" if x.dtype == "float64" else "float32"


def _once(compute: Callable[[], Array]) -> Callable[[], Array]:
    """``compute`` that runs when it is first asked: per-channel arrays are small, reading their weights is not free."""
    kept: list[Array] = []

    def read() -> Array:
        if not kept:
            kept.append(compute())
        return kept[0]

    return read


@lowers("BatchNormalization", "BatchNormalizationV1", "BatchNormalizationV2", "SyncBatchNormalization")
def lower_batch_normalization(ctx: Context, x: Value) -> Value:
    """``x * scale + offset`` with the moving statistics, a number a channel, worked out in float64:
    ``scale = gamma / sqrt(variance + epsilon)``, ``offset = beta - mean * scale``."""
    refuse_training(ctx)
    axes = normalized_axes(ctx, ctx.layer.config.get("axis", -1), x.rank)
    channels = tuple(x.shape[axis] for axis in axes)
    mean, variance = ctx.stored_weight("moving_mean"), ctx.stored_weight("moving_variance")
    if not dims.is_static(channels) or {mean.size, variance.size} != {dims.product(channels)}:
        raise ctx.error(
            f"Its statistics have the shape {channels} of axis {axes}. Received: {mean.shape} and {variance.shape}"
        )
    gamma = ctx.stored_weight("gamma") if ctx.layer.config.get("scale", True) else None
    beta = ctx.stored_weight("beta") if ctx.layer.config.get("center", True) else None
    epsilon = number(ctx, "epsilon", 1e-3)
    dtype = _float_of(x)

    def fold() -> Array:
        scale = 1 / np.sqrt(variance.numpy().astype(np.float64) + epsilon)
        if gamma is not None:
            scale = scale * gamma.numpy()
        offset = -mean.numpy().astype(np.float64) * scale
        whole = np.stack([scale, offset if beta is None else offset + beta.numpy()])
        return whole.reshape(2, *(int(str(size)) for size in channels)).astype(dtype)

    folded = _once(fold)
    shape = _broadcast_shape(x, axes)
    scale = Constant.lazy(dtype, shape, lambda: folded()[0].reshape(shape))
    offset = Constant.lazy(dtype, shape, lambda: folded()[1].reshape(shape))
    scaled = ctx.b.op("mul", _cast(ctx, x, dtype), ctx.b.constant(scale, name="scale"))
    return _cast(ctx, ctx.b.op("add", scaled, ctx.b.constant(offset, name="offset")), ctx.compute_dtype)


def _broadcast_shape(x: Value, axes: tuple[int, ...]) -> tuple[int, ...]:
    """The known dimensions of ``axes``, 1 between and after them, nothing before them."""
    kept = [x.shape[axis] if axis in axes else 1 for axis in range(axes[0], x.rank)]
    return tuple(int(str(dim)) for dim in kept)


def _parameter(ctx: Context, name: str, shape: tuple[Dim, ...], dtype: str) -> Value:
    """A weight as a constant of ``shape`` and ``dtype``."""
    stored = ctx.stored_weight(name)
    if not dims.is_static(shape) or stored.size != dims.product(shape):
        raise ctx.error(
            f"The weight {name!r} has the shape {dims.format_shape(shape)}. Received: {stored.shape}"
        )
    fixed = tuple(int(str(dim)) for dim in shape)
    wanted = dtypes.numpy_dtype(dtype)
    return ctx.b.constant(
        stored.map(lambda a: a.reshape(fixed).astype(wanted), shape=fixed, dtype=dtype), name=name
    )


@lowers("LayerNormalization")
def lower_layer_normalization(ctx: Context, x: Value) -> Value:
    """``(x - mean) / sqrt(variance + epsilon) * gamma + beta`` over ``axis``.

    With ``rms_scaling`` only the division is done, by the same root of the variance and not of the mean square, gamma is always used
    and beta never (``_layer_normalization``, keras/src/ops/nn.py, 3.15, which says so itself).
    """
    axes = normalized_axes(ctx, ctx.layer.config.get("axis", -1), x.rank)
    dtype = _float_of(x)
    wide = _cast(ctx, x, dtype)
    shape = tuple(x.shape[axis] for axis in axes)
    epsilon = number(ctx, "epsilon", 1e-3)
    if ctx.layer.config.get("rms_scaling"):
        mean = ctx.b.op("reduce_mean", wide, axes=axes, keepdims=True)
        squares = ctx.b.op("squared_difference", wide, mean)
        variance = ctx.b.op("reduce_mean", squares, axes=axes, keepdims=True)
        inverse = ctx.b.op("rsqrt", ctx.b.op("add", variance, ctx.b.scalar(epsilon, wide)))
        result = ctx.b.op("mul", wide, inverse)
        gamma = _parameter(ctx, "gamma", _spread(x, axes), dtype)
        return _cast(ctx, ctx.b.op("mul", result, gamma), ctx.compute_dtype)
    gamma_or_none = _parameter(ctx, "gamma", shape, dtype) if ctx.layer.config.get("scale", True) else None
    beta = _parameter(ctx, "beta", shape, dtype) if ctx.layer.config.get("center", True) else None
    result = ctx.b.op("layer_norm", wide, gamma_or_none, beta, axes=axes, epsilon=epsilon)
    return _cast(ctx, result, ctx.compute_dtype)


def _spread(x: Value, axes: tuple[int, ...]) -> tuple[Dim, ...]:
    return tuple(x.shape[axis] if axis in axes else 1 for axis in range(axes[0], x.rank))


def _rms(ctx: Context, x: Value, axes: tuple[int, ...], epsilon: float) -> Value:
    """``x / sqrt(mean(x^2) + epsilon)`` over ``axes``."""
    mean = ctx.b.op("reduce_mean", ctx.b.op("square", x), axes=axes, keepdims=True)
    return ctx.b.op("mul", x, ctx.b.op("rsqrt", ctx.b.op("add", mean, ctx.b.scalar(epsilon, x))))


@lowers("RMSNormalization")
def lower_rms_normalization(ctx: Context, x: Value) -> Value:
    """``x / sqrt(mean(x^2) + epsilon) * scale`` over ``axis``.

    The scale has the lengths of ``axis`` but is multiplied as it is: over the last dimensions, whichever ``axis`` names
    (``_rms_normalization``, keras/src/ops/nn.py, 3.15).
    """
    axes = normalized_axes(ctx, ctx.layer.config.get("axis", -1), x.rank)
    dtype = _float_of(x)
    result = _rms(ctx, _cast(ctx, x, dtype), axes, number(ctx, "epsilon", 1e-6))
    shape = ctx.stored_weight("scale").shape
    pairs = zip(reversed(shape), reversed(x.shape), strict=False)
    if len(shape) >= x.rank or not all(length in (1, dim) for length, dim in pairs):
        raise ctx.error(f"Its scale {shape} is multiplied over the last dimensions. Received: {x.type}")
    return _cast(ctx, ctx.b.op("mul", result, _parameter(ctx, "scale", shape, dtype)), ctx.compute_dtype)


@lowers("UnitNormalization")
def lower_unit_normalization(ctx: Context, x: Value) -> Value:
    """``x / max(norm, 1e-12)`` over ``axis``; Keras 2 takes ``sqrt(max(sum of squares, 1e-12))``."""
    axes = normalized_axes(ctx, ctx.layer.config.get("axis", -1), x.rank)
    floor = 1e-24 if ctx.provenance.keras_major >= 3 else 1e-12
    return l2_normalize(ctx, x, axes, floor)


def l2_normalize(ctx: Context, x: Value, axes: tuple[int, ...], floor: float) -> Value:
    """``x * rsqrt(max(sum(x^2), floor))`` over ``axes``."""
    total = ctx.b.op("reduce_sum", ctx.b.op("square", x), axes=axes, keepdims=True)
    return ctx.b.op("mul", x, ctx.b.op("rsqrt", ctx.b.op("maximum", total, ctx.b.scalar(floor, x))))


@lowers("GroupNormalization")
def lower_group_normalization(ctx: Context, x: Value) -> Value:
    """Mean and variance over all dimensions but the batch, a group of channels at a time; then gamma and beta a channel."""
    axis = normalized_axis(ctx, ctx.layer.config.get("axis", -1), x.rank)
    channels, groups = x.shape[axis], integer(ctx, "groups")
    if not isinstance(channels, int) or axis == 0:
        raise ctx.error(
            f"Its axis is one of a known length, not the batch. Received: axis {axis} of {x.type}"
        )
    groups = channels if groups == -1 else groups
    if groups < 1 or channels % groups:
        raise ctx.error(f"Its groups divide its {channels} channels. Received: {groups}")
    dtype = _float_of(x)
    split = (*x.shape[:axis], groups, channels // groups, *x.shape[axis + 1 :])
    grouped = ctx.b.op("reshape", _cast(ctx, x, dtype), shape=split)
    over = tuple(i for i in range(1, len(split)) if i != axis)
    normal = ctx.b.op("layer_norm", grouped, None, None, axes=over, epsilon=number(ctx, "epsilon", 1e-3))
    result = ctx.b.op("reshape", normal, shape=x.shape)
    shape = _spread(x, (axis,))
    if ctx.layer.config.get("scale", True):
        result = ctx.b.op("mul", result, _parameter(ctx, "gamma", shape, dtype))
    if ctx.layer.config.get("center", True):
        result = ctx.b.op("add", result, _parameter(ctx, "beta", shape, dtype))
    return _cast(ctx, result, ctx.compute_dtype)


@lowers("Normalization")
def lower_normalization(ctx: Context, x: Value) -> Value:
    """``(x - mean) / max(sqrt(variance), 1e-7)``, or with ``invert`` ``mean + x * max(sqrt(variance), 1e-7)``; the statistics are
    arguments, or weights that ``adapt`` made."""
    mean, variance = _statistics(ctx, x)
    deviation = np.maximum(np.sqrt(variance), KERAS_EPSILON)
    x = _cast(ctx, x, ctx.compute_dtype)
    inverse = bool(ctx.layer.config.get("invert"))
    factor, shift = (deviation, mean) if inverse else (1 / deviation, -mean / deviation)
    if not inverse:
        # In this order, as Keras: a large mean with a small deviation would lose digits in x * factor + shift.
        centred = ctx.b.op("sub", x, ctx.b.constant(mean, x.dtype, name="mean"))
        return ctx.b.op("mul", centred, ctx.b.constant(factor, x.dtype, name="scale"))
    scaled = ctx.b.op("mul", x, ctx.b.constant(factor, x.dtype, name="scale"))
    return ctx.b.op("add", scaled, ctx.b.constant(shift, x.dtype, name="mean"))


def _statistics(ctx: Context, x: Value) -> tuple[Array, Array]:
    """Mean and variance in float64, shaped to broadcast to ``x``."""
    saved = ctx.layer.config.get("axis", -1)
    axes = () if saved is None or saved == [] else normalized_axes(ctx, saved, x.rank)
    if ctx.layer.config.get("mean") is not None:
        return _align(ctx, numbers(ctx, "mean"), axes, x), _align(ctx, numbers(ctx, "variance"), axes, x)
    found = [ctx.stored_weight(name).numpy().astype(np.float64) for name in ("mean", "variance")]
    return _align(ctx, found[0], axes, x), _align(ctx, found[1], axes, x)


def _align(ctx: Context, statistic: Array, axes: tuple[int, ...], x: Value) -> Array:
    """``statistic`` with its dimensions on the last of ``axes``, 1 elsewhere; no dimensions before the first."""
    if statistic.ndim == x.rank and statistic.ndim > len(axes):
        return statistic
    if statistic.size == 1:
        return statistic.reshape(())
    if statistic.ndim > len(axes):
        raise ctx.error(
            f"mean and variance have a dimension for each axis of {axes}. Received: {statistic.shape}"
        )
    shape = [1] * x.rank
    for axis, size in zip(reversed(axes), reversed(statistic.shape), strict=False):
        shape[axis] = size
    first = next(index for index, size in enumerate((*shape, 0)) if size != 1)
    return statistic.reshape(shape[first:])
