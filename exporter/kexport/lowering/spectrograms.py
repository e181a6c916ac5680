"""Spectrograms: STFTSpectrogram, a convolution with stored kernels, and MelSpectrogram, transforms and a matrix.

keras/src/layers/preprocessing/{stft_spectrogram,mel_spectrogram}.py, Keras 3.15.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from kexport.ir import Array, Value, dims, dtypes
from kexport.lowering.arguments import integer, number, numbers
from kexport.lowering.fourier import frames, real_transform
from kexport.lowering.geometry import data_format
from kexport.lowering.normalization import KERAS_EPSILON
from kexport.lowering.registry import Context, lowers

_MODES = ("log", "magnitude", "psd", "real", "imag", "angle", "stft")


@lowers("STFTSpectrogram")
def lower_stft_spectrogram(ctx: Context, x: Value) -> Value:
    """(batch, time, channels), or channels first, to the spectra of each channel's frames, in any of Keras's modes and layouts."""
    mode = str(ctx.arg("mode"))
    if mode not in _MODES or x.rank != 3 or not dtypes.is_float(x.dtype):
        raise ctx.error(
            f"It takes floats (batch, time, channels) in a mode of {', '.join(_MODES)}. Received: {x.type}, {mode!r}"
        )
    spectra = _spectra(ctx, x, mode)
    b = ctx.b
    if mode == "psd":
        spectra = _doubled_inside(ctx, spectra)
    elif mode in ("log", "magnitude"):
        floor = b.scalar(KERAS_EPSILON, spectra)
        spectra = b.op("sqrt", b.op("maximum", spectra, floor))
        if mode == "log":
            spectra = b.op("log", b.op("maximum", spectra, floor))
    return _arranged(ctx, spectra)


def _spectra(ctx: Context, x: Value, mode: str) -> Value:
    """(batch, channels, frames, frequencies): what the mode is about, power for those that go on from there."""
    b = ctx.b
    first = data_format(ctx) == "channels_first"
    signal = x if first else b.op("transpose", x, perm=(0, 2, 1))
    batch, channels, time = signal.shape
    signal = b.op("reshape", signal, shape=(dims.multiply(batch, channels), time, 1))
    names = [name for name, other in (("real_kernel", "imag"), ("imag_kernel", "real")) if mode != other]
    kernels = [ctx.weight(name).numpy() for name in names]
    step = ctx.layer.config.get("frame_step") or integer(ctx, "frame_length") // 2
    padding: Any = "same" if ctx.arg("padding") == "same" else ((0, 0),)
    whole = b.constant(np.concatenate(kernels, axis=2), x.dtype, name="kernel")
    parts = b.op("conv", signal, whole, strides=(step,), padding=padding, dilations=(1,))
    parts = b.op("reshape", parts, shape=(batch, channels, *parts.shape[1:]))
    if mode in ("real", "imag", "stft"):
        return parts
    real, imaginary = b.ops("split", parts, axis=3, sizes=tuple(kernel.shape[2] for kernel in kernels))
    if mode == "angle":
        return b.op("atan2", imaginary, real)
    return b.op("add", b.op("square", real), b.op("square", imaginary))


def _doubled_inside(ctx: Context, power: Value) -> Value:
    """Twice the power of all frequencies but the first and the last, for those that mirror them."""
    factors = np.full(int(str(power.shape[3])), 2.0)
    factors[[0, -1]] = 1
    return ctx.b.op("mul", power, ctx.b.constant(factors, power.dtype, name="mirrored"))


def _arranged(ctx: Context, x: Value) -> Value:
    """(batch, channels, frames, frequencies) in the layout that is asked for."""
    b, (batch, channels, count, bins) = ctx.b, x.shape
    first = data_format(ctx) == "channels_first"
    if ctx.layer.config.get("expand_dims"):
        return x if first else b.op("transpose", x, perm=(0, 2, 3, 1))
    every = dims.multiply(channels, bins)
    if first:
        return b.op("reshape", b.op("transpose", x, perm=(0, 1, 3, 2)), shape=(batch, every, count))
    return b.op("reshape", b.op("transpose", x, perm=(0, 2, 1, 3)), shape=(batch, count, every))


@lowers("MelSpectrogram")
def lower_mel_spectrogram(ctx: Context, x: Value) -> Value:
    """(…, samples) to (…, num_mel_bins, frames): the power of windowed frames on the mel scale, in decibels with ``power_to_db``."""
    b = ctx.b
    dtype = ctx.compute_dtype if ctx.compute_dtype == "float64" else "float32"
    x = x if x.dtype == dtype else b.op("cast", x, dtype=dtype)
    lead, time = x.shape[:-1], x.shape[-1]
    length, step = integer(ctx, "fft_length"), integer(ctx, "sequence_stride")
    if isinstance(time, int) and time <= length // 2:
        raise ctx.error(f"It takes signals longer than half of fft_length, {length // 2}. Received: {x.type}")
    signal = b.op("reshape", x, shape=(dims.product(lead), time))
    padded = b.op("pad", signal, pads=((0, 0), (length // 2, length // 2)), mode="reflect")
    cut = frames(b, padded, length, step)
    window = _window(ctx, length)
    if window is not None:
        cut = b.op("mul", cut, b.constant(window, dtype, name="window"))
    real, imaginary = real_transform(b, cut)
    power = b.op("add", b.op("square", real), b.op("square", imaginary))
    scaled = b.op("dense", _to_the(ctx, power), b.constant(_mel_matrix(ctx, length), dtype, name="mel"))
    if ctx.layer.config.get("power_to_db", True):
        scaled = _decibels(ctx, scaled)
    turned = b.op("transpose", scaled, perm=(0, 2, 1))
    result = b.op("reshape", turned, shape=(*lead, *turned.shape[1:]))
    return result if dtype == ctx.compute_dtype else b.op("cast", result, dtype=ctx.compute_dtype)


def _to_the(ctx: Context, power: Value) -> Value:
    """The magnitude to the power of ``mag_exp``, from its square."""
    exponent = number(ctx, "mag_exp", 2.0)
    if exponent == 2:
        return power
    magnitude = ctx.b.op("sqrt", power)
    return magnitude if exponent == 1 else ctx.b.op("pow", magnitude, ctx.b.scalar(exponent, magnitude))


def _decibels(ctx: Context, x: Value) -> Value:
    """``10 log10`` of what is at least ``min_power``, over ``ref_power``, and no more than ``top_db`` below the largest of all."""
    b, least = ctx.b, number(ctx, "min_power", 1e-10)
    reference = 10 * math.log10(max(abs(number(ctx, "ref_power", 1.0)), least))
    log = b.op("log", b.op("maximum", x, b.scalar(least, x)))
    level = b.op("mul", log, b.scalar(10 / math.log(10), x))
    if reference:
        level = b.op("sub", level, b.scalar(reference, level))
    loudest = b.op("reduce_max", level, axes=(0, 1, 2), keepdims=True)
    return b.op("maximum", level, b.op("sub", loudest, b.scalar(number(ctx, "top_db", 80.0), level)))


def _window(ctx: Context, length: int) -> Array | None:
    """The window in the middle of ``length`` zeros."""
    given = ctx.layer.config.get("window", "hann")
    if given is None:
        return None
    size = ctx.layer.config.get("sequence_length") or length
    window = _named_window(ctx, given, size) if isinstance(given, str) else numbers(ctx, "window")
    if window.shape != (size,) or size > length:
        raise ctx.error(
            f"window has sequence_length={size} numbers, at most fft_length={length}. Received: {window.shape}"
        )
    before = (length - size) // 2
    return np.pad(window, (before, length - size - before))


def _named_window(ctx: Context, name: str, size: int) -> Array:
    """``hann`` or ``hamming``, periodic; TensorFlow's are not where ``size`` is odd (``_raised_cosine_window`` in
    tensorflow/python/ops/signal/window_ops.py, 2.21)."""
    if name not in ("hann", "hamming"):
        raise ctx.error(f"window is 'hann', 'hamming', numbers or None. Received: {name!r}")
    a = 0.5 if name == "hann" else 0.54
    if size == 1:
        return np.ones(1)
    period = size - 1 if size % 2 and ctx.provenance.backend in ("", "tensorflow") else size
    return a - (1 - a) * np.cos(2 * np.pi * np.arange(size) / period)


def _mel_matrix(ctx: Context, length: int) -> Array:
    """(frequencies, mel bins): triangles between neighbouring centres, 0 for the first frequency; in float64.

    Keras computes them in float32, where what the logarithm rounds away (in a way of each platform's own) is up to 2e-5 of a weight.
    """
    rate = integer(ctx, "sampling_rate")
    highest = ctx.layer.config.get("max_freq") or int(rate / 2)

    def mel(frequency: Any) -> Any:
        return 1127.0 * np.log(1.0 + frequency / 700.0)

    rows = mel(np.linspace(0, rate / 2, length // 2 + 1)[1:, None])
    ends = mel(number(ctx, "min_freq", 20.0)), mel(highest)
    edges = np.linspace(*ends, integer(ctx, "num_mel_bins") + 2)
    lower, centre, upper = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (rows - lower) / (centre - lower), (upper - rows) / (upper - centre)
    return np.pad(np.maximum(0, np.minimum(rising, falling)), ((1, 0), (0, 0)))
