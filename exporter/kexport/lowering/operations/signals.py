"""Fourier transforms, as products with matrices of cosines and sines; complex numbers are pairs of tensors, as in Keras.

The transforms of windows of a signal (STFT) are a convolution, their inverse a transposed one.
"""

from __future__ import annotations

import math

import numpy as np

from kexport.ir import Array, Value, dims
from kexport.lowering.axes import multiply_axis
from kexport.lowering.operations.operands import (
    arguments,
    array_of,
    cast,
    length,
    only,
    option,
    promoted,
    reshaped,
    sliced,
    tensor,
)
from kexport.lowering.registry import Context, lowers


def _waves(count: int, frequencies: int) -> tuple[Array, Array]:
    """Cosines and sines (count, frequencies) of ``2 pi t k / count``; the product is reduced before it is rounded."""
    angles = np.outer(np.arange(count), np.arange(frequencies)) % count * (2 * math.pi / count)
    return np.cos(angles), np.sin(angles)


def _pair(ctx: Context) -> tuple[Value, Value]:
    """The real and the imaginary part that the operation is called on."""
    (given,) = arguments(ctx, "x")
    if not isinstance(given, list | tuple) or len(given) != 2:
        raise ctx.error(f"It is called on a pair, the real and the imaginary part. Received: {given!r}")
    real, imaginary = (tensor(ctx, part) for part in given)
    return real, imaginary


def _transformed(ctx: Context, real: Value, imaginary: Value, axis: int) -> tuple[Value, Value]:
    """``sum x_t exp(-2 pi i t k / n)`` along ``axis``: both parts one after the other times ``[[C, -S], [S, C]]``."""
    count = length(ctx, real, axis)
    cosines, sines = _waves(count, count)
    matrix = np.block([[cosines, -sines], [sines, cosines]])
    both = ctx.b.op("concat", real, imaginary, axis=axis)
    result = multiply_axis(ctx, both, matrix.T, axis)
    first, second = ctx.b.ops("split", result, axis=axis, sizes=(count, count))
    return first, second


@lowers("ops.FFT", "ops.FFT2", "ops.IFFT2")
def lower_fft(ctx: Context, *inputs: Value) -> list[Value]:
    """Along the last axis; ``FFT2`` along the last two. ``IFFT2``: the conjugate of that of the conjugate, over the number of
    elements."""
    real, imaginary = _pair(ctx)
    name, b = ctx.layer.class_name, ctx.b
    inverse = name == "IFFT2"
    imaginary = b.op("neg", imaginary) if inverse else imaginary
    axes = [real.rank - 1] if name == "FFT" else [real.rank - 1, real.rank - 2]
    for axis in axes:
        real, imaginary = _transformed(ctx, real, imaginary, axis)
    if not inverse:
        return [real, imaginary]
    share = 1 / math.prod(length(ctx, real, axis) for axis in axes)
    return [
        b.op("mul", part, b.scalar(factor, part)) for part, factor in ((real, share), (imaginary, -share))
    ]


@lowers("ops.RFFT")
def lower_rfft(ctx: Context, *inputs: Value) -> list[Value]:
    """The first half of the transform of a real x, cut or filled with zeros to ``fft_length``."""
    x = only(ctx)
    given = length(ctx, x, x.rank - 1)
    count = int(option(ctx, "fft_length") or given)
    used, half = min(given, count), count // 2 + 1
    cosines, sines = _waves(count, half)
    kept = sliced(ctx, x, x.rank - 1, 0, used) if used < given else x
    both = multiply_axis(ctx, kept, np.concatenate([cosines, -sines], axis=1)[:used].T, x.rank - 1)
    return ctx.b.ops("split", both, axis=x.rank - 1, sizes=(half, half))


def _inverse_half(count: int, half: int) -> Array:
    """(2 * half, count): what turns ``half`` real and imaginary parts, those beyond ``count // 2`` left out, into ``count``
    real numbers. Each frequency but 0 and ``count / 2`` stands for two."""
    cosines, sines = _waves(count, half)
    frequencies = np.arange(half)
    doubled = np.where((frequencies == 0) | (2 * frequencies == count), 1, 2) * (frequencies <= count // 2)
    return np.concatenate([cosines * doubled, -sines * doubled], axis=1).T / count


@lowers("ops.IRFFT")
def lower_irfft(ctx: Context, *inputs: Value) -> Value:
    """``fft_length`` (default ``2 * (n - 1)``) real numbers from the first half of their transform."""
    real, imaginary = _pair(ctx)
    half = length(ctx, real, real.rank - 1)
    count = int(option(ctx, "fft_length") or 2 * (half - 1))
    both = ctx.b.op("concat", real, imaginary, axis=real.rank - 1)
    return multiply_axis(ctx, both, _inverse_half(count, half).T, real.rank - 1)


def _window(ctx: Context, size: int) -> Array | None:
    """The window of ``fft_length``: hann, hamming or numbers of ``sequence_length``, zeros around them.

    ``_raised_cosine_window`` in tensorflow/python/ops/signal/window_ops.py (2.21): periodic, but for odd lengths.
    """
    given, inner = option(ctx, "window", "hann"), int(option(ctx, "sequence_length"))
    if given is None:
        return None
    if isinstance(given, str):
        if given not in ("hann", "hamming"):
            raise ctx.error(f"window is 'hann', 'hamming', None or numbers. Received: {given!r}")
        mean, swing = (0.5, 0.5) if given == "hann" else (0.54, 0.46)
        steps = max(inner - inner % 2, 1)
        window = mean - swing * np.cos(2 * math.pi * np.arange(inner) / steps) if inner > 1 else np.ones(1)
    else:
        window = array_of(ctx, given).astype(np.float64)
    if window.shape != (inner,) or inner > size:
        raise ctx.error(
            f"A window has sequence_length elements, fft_length at most. Received: {inner} and {size}"
        )
    before = (size - inner) // 2
    return np.pad(window, (before, size - inner - before))


@lowers("ops.STFT")
def lower_stft(ctx: Context, *inputs: Value) -> list[Value]:
    """(..., time) to the real and imaginary parts (..., windows, frequencies): each window of ``fft_length``, which start every
    ``sequence_stride``, times ``window``, transformed. With ``center`` the signal is mirrored at its ends before."""
    x, size, stride = only(ctx), int(option(ctx, "fft_length")), int(option(ctx, "sequence_stride"))
    half, b = size // 2 + 1, ctx.b
    if option(ctx, "center", True):
        pads = ((0, 0),) * (x.rank - 1) + ((size // 2, size // 2),)
        x = b.op("pad", x, pads=pads, mode="reflect")
    window = _window(ctx, size)
    kernel = np.concatenate(_waves(size, half), axis=1) * np.repeat([1, -1], half)
    kernel = kernel if window is None else kernel * window[:, None]
    lead = x.shape[:-1]
    line = reshaped(ctx, x, (dims.product(lead), x.shape[-1], 1))
    weights = tensor(ctx, kernel[:, None, :], x.dtype)
    both = b.op("conv", line, weights, None, strides=(stride,), padding=((0, 0),), dilations=(1,))
    parts = b.ops("split", both, axis=2, sizes=(half, half))
    return [reshaped(ctx, part, (*lead, *part.shape[1:])) for part in parts]


@lowers("ops.ISTFT")
def lower_istft(ctx: Context, *inputs: Value) -> Value:
    """The signal whose windows have these transforms: each turned back, times the window over the sum of the squares of all
    windows there, and added up; without what ``center`` added, or ``length`` elements."""
    real, imaginary = _pair(ctx)
    size, stride = int(option(ctx, "fft_length")), int(option(ctx, "sequence_stride"))
    half, b = length(ctx, real, real.rank - 1), ctx.b
    kernel = _inverse_half(size, half).T
    window = _window(ctx, size)
    if window is not None:
        kernel = kernel * _inverse_window(window, stride)[:, None]
    lead = real.shape[:-2]
    both = b.op("concat", real, imaginary, axis=real.rank - 1)
    line = reshaped(ctx, both, (dims.product(lead), *both.shape[-2:]))
    weights = tensor(ctx, kernel[:, None, :], real.dtype)
    added = b.op("conv_transpose", line, weights, None, strides=(stride,), crops=((0, 0),), dilations=(1,))
    whole = reshaped(ctx, added, (*lead, added.shape[1]))
    center, wanted = option(ctx, "center", True), option(ctx, "length")
    start = size // 2 if center else 0
    end = start + int(wanted) if wanted is not None else (-start or None)
    return sliced(ctx, whole, whole.rank - 1, start, end) if start or end is not None else whole


def _inverse_window(window: Array, stride: int) -> Array:
    """``inverse_stft_window_fn`` in tensorflow/python/ops/signal/spectral_ops.py (2.21)."""
    overlaps = -(-len(window) // stride)
    squares = np.pad(window**2, (0, overlaps * stride - len(window))).reshape(overlaps, stride)
    total = np.tile(squares.sum(axis=0), overlaps)[: len(window)]
    inverse: Array = window / total
    return inverse


@lowers("ops.Correlate")
def lower_correlate(ctx: Context, *inputs: Value) -> Value:
    """``sum_j x1[i + j] x2[j]`` of two vectors, in floats: where both overlap wholly ("valid"), at all ("full"), or the middle of
    that, as long as the longer ("same")."""
    given, other = arguments(ctx, "x1", "x2")
    left, right = promoted(ctx, given, other)
    if left.rank != 1 or right.rank != 1:
        raise ctx.error(f"It takes two vectors. Received: {left.type} and {right.type}")
    kept = {"int64": "float64", **{name: name for name in ("bfloat16", "float16", "float64")}}
    left, right = (cast(ctx, value, kept.get(value.dtype, "float32")) for value in (left, right))
    first, second, mode = length(ctx, left, 0), length(ctx, right, 0), str(option(ctx, "mode", "valid"))
    if mode not in ("valid", "same", "full") or (mode == "valid" and first < second):
        raise ctx.error(
            f"mode is 'valid' (of an x1 no shorter than x2), 'same' or 'full'. Received: {mode!r} of {first} and {second}"
        )
    margin = 0 if mode == "valid" else second - 1
    count = first - second + 1 + 2 * margin
    starts = np.arange(count)
    if mode == "same":
        longer = max(first, second)
        starts = starts[(count - longer) // 2 :][:longer]
    padded = ctx.b.op("pad", left, pads=((margin, margin),), value=0) if margin else left
    places = (starts[:, None] + np.arange(second)).astype("int32")
    windows = ctx.b.op("gather", padded, ctx.b.constant(places, name="places"), axis=0)
    column = ctx.b.op("expand_dims", right, axes=(1,))
    return ctx.b.op("squeeze", ctx.b.op("matmul", windows, column), axes=(1,))
