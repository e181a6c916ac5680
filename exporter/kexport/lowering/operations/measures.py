"""What compares and reads predictions: cross-entropies, image quality, the decoding of CTC."""

from __future__ import annotations

import math

import numpy as np

from kexport.ir import Array, Value, dtypes
from kexport.lowering.arguments import normalized_axis
from kexport.lowering.normalization import KERAS_EPSILON
from kexport.lowering.operations.indexing import take_along
from kexport.lowering.operations.operands import (
    arguments,
    as_float,
    cast,
    flag,
    length,
    option,
    promoted,
    tensor,
    transposed,
)
from kexport.lowering.registry import Context, lowers


def _clipped(ctx: Context, x: Value) -> Value:
    return ctx.b.op("clip", x, min=KERAS_EPSILON, max=1.0 - KERAS_EPSILON)


@lowers("ops.BinaryCrossentropy")
def lower_binary_crossentropy(ctx: Context, *inputs: Value) -> Value:
    """``-(t log(p) + (1 - t) log(1 - p))``, p kept from 0 and 1; of logits x, ``max(x, 0) - x t + log(1 + exp(-|x|))``."""
    target, x = promoted(ctx, *arguments(ctx, "target", "output"), also=("float",))
    b = ctx.b
    if flag(ctx, "from_logits"):
        rest = b.op("log1p", b.op("exp", b.op("neg", b.op("abs", x))))
        return b.op("add", b.op("sub", b.op("relu", x), b.op("mul", x, target)), rest)
    p, one = _clipped(ctx, x), b.scalar(1.0, x)
    yes = b.op("mul", target, b.op("log", p))
    no = b.op("mul", b.op("sub", one, target), b.op("log", b.op("sub", one, p)))
    return b.op("neg", b.op("add", yes, no))


@lowers("ops.CategoricalCrossentropy")
def lower_categorical_crossentropy(ctx: Context, *inputs: Value) -> Value:
    """``-sum(t log(p))`` over ``axis``, p made to sum to 1 and kept from 0 and 1; of logits, with the logarithm of their softmax."""
    target, x = promoted(ctx, *arguments(ctx, "target", "output"), also=("float",))
    b, axis = ctx.b, normalized_axis(ctx, option(ctx, "axis", -1), x.rank)
    if flag(ctx, "from_logits"):
        logs = b.op("log_softmax", x, axis=axis)
    else:
        total = b.op("reduce_sum", x, axes=(axis,), keepdims=True)
        logs = b.op("log", _clipped(ctx, b.op("div", x, total)))
    return b.op("neg", b.op("reduce_sum", b.op("mul", target, logs), axes=(axis,)))


@lowers("ops.SparseCategoricalCrossentropy")
def lower_sparse_categorical_crossentropy(ctx: Context, *inputs: Value) -> Value:
    """Minus the logarithm of the target's share along the last axis: of the softmax of logits, or of p's logarithms."""
    given, found = arguments(ctx, "target", "output")
    target, x = cast(ctx, tensor(ctx, given), "int32"), as_float(ctx, found)
    axis = normalized_axis(ctx, option(ctx, "axis", -1), x.rank)
    if axis != x.rank - 1:
        raise ctx.error(f"axis is the last one. Received: {axis} of {x.type}")
    logits = x if flag(ctx, "from_logits") else ctx.b.op("log", _clipped(ctx, x))
    column = target if target.rank == x.rank else ctx.b.op("expand_dims", target, axes=(target.rank,))
    logs = take_along(ctx, ctx.b.op("log_softmax", logits, axis=axis), column, axis)
    return ctx.b.op("neg", ctx.b.op("squeeze", logs, axes=(axis,)))


@lowers("ops.CTCDecode")
def lower_ctc_decode(ctx: Context, *inputs: Value) -> list[Value]:
    """The likeliest class of each step, without repetitions (``merge_repeated``) and blanks (``mask_index``), moved to the front:
    (1, batch, steps), -1 after them; and minus the sum of their logits, (batch, 1). Steps beyond ``sequence_lengths`` don't count.
    """
    given, found = arguments(ctx, "inputs", "sequence_lengths")
    if option(ctx, "strategy", "greedy") != "greedy":
        raise ctx.error(
            "strategy is 'greedy': a beam search takes a dictionary",
            hint="Decode the model's outputs instead.",
        )
    x, b = tensor(ctx, given), ctx.b
    x = cast(ctx, x, "float64" if x.dtype == "float64" else "float32")
    steps, classes = length(ctx, x, 1), length(ctx, x, 2)
    lengths = b.op("expand_dims", cast(ctx, tensor(ctx, found), "int32"), axes=(1,))
    counts = b.op("less", b.constant(np.arange(steps, dtype="int32"), name="steps"), lengths)
    best = b.op("argmax", x, axis=2)
    blank = b.scalar(int(option(ctx, "mask_index", 0)) % classes, best)
    kept = b.op("logical_and", counts, b.op("not_equal", best, blank))
    if option(ctx, "merge_repeated", True):
        before = b.op("pad", best, pads=((0, 0), (1, 0)), value=-1)
        before = b.op("slice", before, begin=(0, 0), end=(None, -1), strides=(1, 1))
        kept = b.op("logical_and", kept, b.op("not_equal", best, before))
    decoded = b.op("expand_dims", _compacted(ctx, best, kept, steps), axes=(0,))
    logits = b.op("select", counts, b.op("reduce_max", x, axes=(2,)), b.scalar(0.0, x))
    return [decoded, b.op("neg", b.op("reduce_sum", logits, axes=(1,), keepdims=True))]


def _compacted(ctx: Context, x: Value, kept: Value, steps: int) -> Value:
    """The kept elements of each row (b, steps) one after the other from its front, -1 after them."""
    b, one = ctx.b, ctx.b.scalar(1, x)
    place = b.op("sub", b.op("cumsum", cast(ctx, kept, "int32"), axis=1), one)
    slots = b.constant(np.arange(steps, dtype="int32")[:, None], name="slots")
    here = b.op("equal", slots, b.op("expand_dims", place, axes=(1,)))
    here = b.op("logical_and", here, b.op("expand_dims", kept, axes=(1,)))
    raised = b.op("expand_dims", b.op("add", x, one), axes=(1,))
    return b.op("sub", b.op("reduce_sum", b.op("select", here, raised, b.scalar(0, x)), axes=(2,)), one)


@lowers("ops.PSNR")
def lower_psnr(ctx: Context, *inputs: Value) -> Value:
    """``20 log10(max_val) - 10 log10(mean((x1 - x2)^2))`` over everything."""
    left, right = promoted(ctx, *arguments(ctx, "x1", "x2"), also=("float",))
    b = ctx.b
    error = b.op("reduce_mean", b.op("squared_difference", left, right), axes=tuple(range(left.rank)))
    decibels = b.op("mul", b.op("log", error), b.scalar(10 / math.log(10), error))
    return b.op("sub", b.scalar(20 * math.log10(float(option(ctx, "max_val"))), error), decibels)


@lowers("ops.SSIM")
def lower_ssim(ctx: Context, *inputs: Value) -> Value:
    """The mean of ``(2 m1 m2 + c1)(2 s12 + c2) / ((m1^2 + m2^2 + c1)(s1^2 + s2^2 + c2))``, means, variances and covariance
    under a Gaussian window; one number an image (keras/src/ops/image.py, 3.15)."""
    given, other = arguments(ctx, "image1", "image2")
    dtype = tensor(ctx, given).dtype
    first, second = (_as_batch(ctx, as_float(ctx, item)) for item in (given, other))
    kernel = _gaussian(int(option(ctx, "filter_size", 11)), float(option(ctx, "filter_sigma", 1.5)))
    b, channels = ctx.b, length(ctx, first, 3)
    weights = tensor(ctx, np.tile(kernel[:, :, None, None], (1, 1, channels, 1)), first.dtype)

    def under_window(x: Value) -> Value:
        return b.op(
            "depthwise_conv", x, weights, None, strides=(1, 1), padding=((0, 0), (0, 0)), dilations=(1, 1)
        )

    def spread(x: Value, y: Value, mean: Value) -> Value:
        return b.op("sub", under_window(b.op("mul", x, y)), mean)

    means = under_window(first), under_window(second)
    squares = [b.op("mul", a, c) for a, c in ((means[0], means[0]), (means[1], means[1]), means)]
    spreads = [
        spread(a, c, m)
        for (a, c), m in zip(((first, first), (second, second), (first, second)), squares, strict=True)
    ]
    c1, c2 = (
        b.scalar((float(option(ctx, name)) * float(option(ctx, "max_val", 1.0))) ** 2, first)
        for name in ("k1", "k2")
    )
    two = b.scalar(2.0, first)
    above = b.op(
        "mul", b.op("add", b.op("mul", two, squares[2]), c1), b.op("add", b.op("mul", two, spreads[2]), c2)
    )
    below = [b.op("add", b.op("add", pair[0], pair[1]), c) for pair, c in ((squares, c1), (spreads, c2))]
    ratio = b.op("div", above, b.op("mul", *below))
    axes = (0, 1, 2, 3) if tensor(ctx, given).rank == 3 else (1, 2, 3)
    result = b.op("reduce_mean", ratio, axes=axes)
    return cast(ctx, b.op("trunc", result) if not dtypes.is_float(dtype) else result, dtype)


def _as_batch(ctx: Context, x: Value) -> Value:
    """Images (batch, height, width, channels)."""
    if x.rank not in (3, 4):
        raise ctx.error(f"It takes images of rank 3 or 4. Received: {x.type}")
    x = ctx.b.op("expand_dims", x, axes=(0,)) if x.rank == 3 else x
    return transposed(ctx, x, (0, 2, 3, 1)) if option(ctx, "data_format") == "channels_first" else x


def _gaussian(size: int, sigma: float) -> Array:
    line = np.exp(-((np.arange(size) - (size - 1) / 2) ** 2) / (2 * sigma**2))
    line = line / line.sum()
    return np.outer(line, line)
