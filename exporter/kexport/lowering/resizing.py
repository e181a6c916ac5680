"""Resizing, CenterCrop and RandomCrop, and the resampling that UpSampling2D shares with them."""

from __future__ import annotations

import numpy as np

from kexport.ir import Value, dims, dtypes
from kexport.ir.dims import Dim
from kexport.lowering.axes import multiply_axis
from kexport.lowering.geometry import data_format, spatial_of
from kexport.lowering.registry import Context, lowers
from kexport.lowering.regularization import images_alone
from kexport.lowering.resampling import METHODS, resampling_matrix

_BIND = "Give these dimensions a length when exporting."


def _cast(ctx: Context, x: Value, dtype: str) -> Value:
    return x if x.dtype == dtype else ctx.b.op("cast", x, dtype=dtype)


def known_lengths(ctx: Context, x: Value, why: str) -> tuple[int, int]:
    """The height and width of ``x``.

    Raises:
        LoweringError: one of them is symbolic; ``why`` says what needs them.
    """
    height, width = (x.shape[axis] for axis in spatial_of(ctx, x, 2))
    if not isinstance(height, int) or not isinstance(width, int):
        raise ctx.error(f"{why} needs a known height and width. Received: {x.type}", hint=_BIND)
    return height, width


def resize_image(
    ctx: Context, x: Value, size: tuple[Dim, Dim], method: str, *, antialias: bool = False
) -> Value:
    """The image ``x`` resampled to ``size`` (height, width) as ``tf.image.resize`` does.

    ``nearest``, and ``bilinear`` without antialiasing, are a ``resize``; the others a matrix product an axis, which
    wants known lengths. All but ``nearest`` give floats.

    Raises:
        LoweringError: the method is unknown, or it needs lengths that are symbolic.
    """
    if method != "nearest" and method not in METHODS:
        raise ctx.error(f"interpolation is one of {sorted(('nearest', *METHODS))}. Received: {method!r}")
    axes, whole = spatial_of(ctx, x, 2), dtypes.is_integer(x.dtype)
    if method != "nearest" and not dtypes.is_float(x.dtype):
        x = ctx.b.op("cast", x, dtype="float32")
    if tuple(x.shape[axis] for axis in axes) == size:
        return ctx.b.op("identity", x)
    if method == "bilinear" and not antialias and whole and dims.is_static((*x.shape[1:], *size)):
        return _interpolated(ctx, x, size)
    if method == "nearest" or (method == "bilinear" and not antialias):
        return ctx.b.op("resize", x, size=size, method=method, data_format=data_format(ctx))
    lengths = known_lengths(ctx, x, f"interpolation {method!r}")
    # JAX computes the cubic kernel itself; PyTorch has another one, which no matrix here stands for.
    tabulated = ctx.provenance.backend != "jax"
    for axis, length, wanted in zip(axes, lengths, size, strict=True):
        assert isinstance(wanted, int)
        # These two blur even where the length stays; the others are then the identity.
        if length != wanted or method in ("gaussian", "mitchellcubic"):
            matrix = resampling_matrix(method, length, wanted, antialias=antialias, tabulated=tabulated)
            x = multiply_axis(ctx, x, matrix, axis)
    return x


def _interpolated(ctx: Context, x: Value, size: tuple[Dim, Dim]) -> Value:
    """Bilinear, in the order in which TensorFlow computes it: along rows first, ``low + (high - low) * share`` (``compute_lerp`` in
    tensorflow/core/kernels/image/resize_bilinear_op.cc, 2.21).

    Pixels that are integers often come to lie between two integers, where the order decides to which they are rounded.
    """
    b = ctx.b
    for axis, wanted in reversed([*zip(spatial_of(ctx, x, 2), size, strict=True)]):
        length, count = int(str(x.shape[axis])), int(str(wanted))
        if length == count:
            continue
        scale = np.float32(length) / np.float32(count)
        where = (np.arange(count, dtype=np.float32) + np.float32(0.5)) * scale - np.float32(0.5)
        below = np.floor(where)
        share = (where - below).reshape([-1 if i == axis else 1 for i in range(axis, 4)])
        ends = (np.clip(below + step, 0, length - 1) for step in (0, 1))
        low, high = (b.op("gather", x, b.constant(end, "int32", name="pixels"), axis=axis) for end in ends)
        part = b.op("mul", b.op("sub", high, low), b.constant(share, x.dtype, name="share"))
        x = b.op("add", low, part)
    return x


def _cut(ctx: Context, x: Value, starts: tuple[int, int], size: tuple[int, int]) -> Value:
    """The window of ``size`` (height, width) of ``x`` that starts at ``starts``."""
    begin: list[int] = [0] * 4
    end: list[int | None] = [None] * 4
    for axis, start, length in zip(spatial_of(ctx, x, 2), starts, size, strict=True):
        begin[axis], end[axis] = start, start + length
    return ctx.b.op("slice", x, begin=tuple(begin), end=tuple(end), strides=(1,) * 4)


def crop_to_ratio(ctx: Context, x: Value, size: tuple[int, int]) -> Value:
    """The largest central part of ``x`` with the ratio of ``size``; lengths and starts are rounded down (``resize`` in
    keras/src/backend/tensorflow/image.py, v3.15, and ``smart_resize`` in keras/src/utils/image_utils.py)."""
    return _cut(ctx, x, *_ratio_window(known_lengths(ctx, x, "Cropping to a ratio"), size))


def _ratio_window(lengths: tuple[int, int], size: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Where the largest central part with the ratio of ``size`` starts, and its lengths."""
    height, width = lengths
    tall = max(min(height, width * size[0] // size[1]), 1)
    wide = max(min(width, height * size[1] // size[0]), 1)
    return ((height - tall) // 2, (width - wide) // 2), (tall, wide)


def pad_to_ratio(ctx: Context, x: Value, size: tuple[int, int], value: float) -> Value:
    """``x`` with equal margins of ``value`` on both its short sides, to the ratio of ``size`` as far as whole elements
    allow (``resize`` in keras/src/backend/tensorflow/image.py, v3.15)."""
    height, width = known_lengths(ctx, x, "Padding to a ratio")
    rows = (max(height, width * size[0] // size[1]) - height) // 2
    columns = (max(width, height * size[1] // size[0]) - width) // 2
    pads = [(0, 0)] * 4
    for axis, margin in zip(spatial_of(ctx, x, 2), (rows, columns), strict=True):
        pads[axis] = (margin, margin)
    return ctx.b.op("pad", x, pads=tuple(pads), value=value)


def _target(ctx: Context) -> tuple[int, int]:
    height, width = ctx.arg("height"), ctx.arg("width")
    if not all(isinstance(length, int) and length > 0 for length in (height, width)):
        raise ctx.error(f"height and width are positive integers. Received: {(height, width)}")
    return height, width


@lowers("Resizing")
def resizing(ctx: Context, *inputs: Value) -> Value:
    """Cropped or padded to the target's ratio where asked, then resampled; integers are rounded back to integers.

    (Keras 2 computes in floats and returns them.)
    """
    (x,) = inputs
    config, size = ctx.layer.config, _target(ctx)
    method = str(config.get("interpolation") or "bilinear").lower()
    crop, pad = bool(config.get("crop_to_aspect_ratio")), bool(config.get("pad_to_aspect_ratio"))
    if crop and pad:
        raise ctx.error("Only one of crop_to_aspect_ratio and pad_to_aspect_ratio can be set")
    if pad and config.get("fill_mode", "constant") != "constant":
        raise ctx.error(f"fill_mode is 'constant'. Received: {config['fill_mode']!r}")
    if ctx.provenance.keras_major == 2:
        x = _cast(ctx, x, ctx.compute_dtype)
    original = x.dtype
    if crop:
        x = crop_to_ratio(ctx, x, size)
    if pad:
        x = pad_to_ratio(ctx, x, size, float(config.get("fill_value", 0.0)))
    x = resize_image(ctx, x, size, method, antialias=bool(config.get("antialias")))
    return x if x.dtype == original else _saturated(ctx, x, original)


def _saturated(ctx: Context, x: Value, dtype: str) -> Value:
    """Floats rounded (halves to even) and clipped to what ``dtype`` holds, in ``dtype``."""
    if not dtypes.is_integer(dtype):
        return _cast(ctx, x, dtype)
    limits = np.iinfo(dtype)
    low, high = float(limits.min), float(limits.max)
    if np.float32(high) > high:  # 2**31 - 1 is no float32: the next one below is the most that converts back.
        high = float(np.nextafter(np.float32(high), np.float32(0)))
    return _cast(ctx, ctx.b.op("clip", ctx.b.op("round", x), min=low, max=high), dtype)


@lowers("CenterCrop")
def center_crop(ctx: Context, *inputs: Value) -> Value:
    """The central window; where the image is smaller than that, cropped to the ratio and resampled bilinearly."""
    x = _cast(ctx, inputs[0], ctx.compute_dtype)
    size = _target(ctx)
    height, width = known_lengths(ctx, x, "CenterCrop")
    if height >= size[0] and width >= size[1]:
        return _cut(ctx, x, ((height - size[0]) // 2, (width - size[1]) // 2), size)
    return resize_image(ctx, crop_to_ratio(ctx, x, size), size, "bilinear")


@lowers("RandomCrop")
def lower_random_crop(ctx: Context, x: Value, *more: Value) -> Value:
    """At inference, by version: Keras 2 and 3.0 to 3.5 take the largest central part with the ratio of ``height`` and ``width`` and resize it
    to them; 3.6 and 3.7 take what of that size begins where that part does; since 3.8 the images stay as they are, whatever size the
    layer announces."""
    images_alone(ctx, more)
    who = ctx.provenance
    if who.is_keras3_since(8) or who.keras_major == 0:
        return x
    x = x if x.dtype == ctx.compute_dtype else ctx.b.op("cast", x, dtype=ctx.compute_dtype)
    size = _target(ctx)
    if not who.is_keras3_since(6):
        return resize_image(ctx, crop_to_ratio(ctx, x, size), size, "bilinear")
    lengths = known_lengths(ctx, x, "RandomCrop")
    starts = _ratio_window(lengths, size)[0]
    left = [min(n, length - start) for n, length, start in zip(size, lengths, starts, strict=True)]
    return resize_image(ctx, _cut(ctx, x, starts, (left[0], left[1])), size, "bilinear")
