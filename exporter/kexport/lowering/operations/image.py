"""Images: batches (rank 4), or one (rank 3)."""

from __future__ import annotations

from typing import Any

import numpy as np

from kexport.ir import Value, dtypes
from kexport.lowering.operations.nn import as_layer
from kexport.lowering.operations.operands import (
    array_of,
    as_float,
    cast,
    length,
    only,
    option,
    sliced,
    tensor,
    transposed,
)
from kexport.lowering.registry import Context, lowers


def _is_first(ctx: Context) -> bool:
    return bool(option(ctx, "data_format") == "channels_first")


def _axes(ctx: Context, x: Value) -> tuple[int, int, int]:
    """The axes of height, width and channels."""
    if x.rank not in (3, 4):
        raise ctx.error(f"It takes images of rank 3 or 4. Received: {x.type}")
    rows = x.rank - (2 if _is_first(ctx) else 3)
    return rows, rows + 1, x.rank - (3 if _is_first(ctx) else 1)


def _through_layer(ctx: Context, x: Value, class_name: str, config: dict[str, Any], **weights: Any) -> Value:
    """What a layer computes on the images, put into a batch of one where there is none."""
    batch = ctx.b.op("expand_dims", x, axes=(0,)) if x.rank == 3 else x
    config = {"data_format": option(ctx, "data_format") or "channels_last", **config}
    result = as_layer(ctx, class_name, batch, config, weights)
    return ctx.b.op("squeeze", result, axes=(0,)) if x.rank == 3 else result


@lowers("ops.Resize")
def lower_resize(ctx: Context, *inputs: Value) -> Value:
    """The layer ``Resizing``."""
    x, size = only(ctx, "images"), option(ctx, "size")
    names = (
        "interpolation",
        "antialias",
        "crop_to_aspect_ratio",
        "pad_to_aspect_ratio",
        "fill_mode",
        "fill_value",
    )
    config = {name: option(ctx, name) for name in names if name in ctx.layer.config}
    return _through_layer(ctx, x, "Resizing", {"height": size[0], "width": size[1], **config})


@lowers("ops.RGBToGrayscale")
def lower_rgb_to_grayscale(ctx: Context, *inputs: Value) -> Value:
    """``0.2989 r + 0.5870 g + 0.1140 b``; integers lose the fraction."""
    x = only(ctx, "images")
    channel = _axes(ctx, x)[2]
    if x.shape[channel] == 1:
        return ctx.b.op("identity", x)
    weights = np.reshape([0.2989, 0.5870, 0.1140], [3 if axis == channel else 1 for axis in range(x.rank)])
    wide = as_float(ctx, x)
    weighted = ctx.b.op("mul", wide, tensor(ctx, weights, wide.dtype))
    return cast(ctx, ctx.b.op("reduce_sum", weighted, axes=(channel,), keepdims=True), x.dtype)


@lowers("ops.RGBToHSV")
def lower_rgb_to_hsv(ctx: Context, *inputs: Value) -> Value:
    """The value v is the largest of r, g, b, s the range over v, h from which is the largest, in turns (``tf.image.rgb_to_hsv``):
    ``(g - b) / 6d``, ``(b - r) / 6d + 1/3`` or ``(r - g) / 6d + 2/3``, and 1 more where negative; 0 where all are equal."""
    x, b = only(ctx, "images"), ctx.b
    if not dtypes.is_float(x.dtype):
        raise ctx.error(f"It takes floats. Received: {x.type}")
    axis = _axes(ctx, x)[2]
    red, green, blue = b.ops("split", x, axis=axis, sizes=(1, 1, 1))
    value = b.op("reduce_max", x, axes=(axis,), keepdims=True)
    spread = b.op("sub", value, b.op("reduce_min", x, axes=(axis,), keepdims=True))
    zero, one = b.scalar(0.0, x), b.scalar(1.0, x)
    flat = b.op("equal", spread, zero)
    sixth = b.op("div", b.scalar(1 / 6, x), b.op("select", flat, one, spread))

    def hue(high: Value, low: Value, start: float) -> Value:
        part = b.op("mul", b.op("sub", high, low), sixth)
        return b.op("add", part, b.scalar(start, x)) if start else part

    others = b.op("select", b.op("equal", green, value), hue(blue, red, 1 / 3), hue(red, green, 2 / 3))
    turns = b.op("select", b.op("equal", red, value), hue(green, blue, 0.0), others)
    turns = b.op("select", b.op("less", turns, zero), b.op("add", turns, one), turns)
    dark = b.op("greater", value, zero)
    saturation = b.op("select", dark, b.op("div", spread, b.op("select", dark, value, one)), zero)
    return b.op("concat", b.op("select", flat, zero, turns), saturation, value, axis=axis)


@lowers("ops.HSVToRGB")
def lower_hsv_to_rgb(ctx: Context, *inputs: Value) -> Value:
    """``((c - 1) s + 1) v`` with ``c = clip(|6h - 3| - 1)``, ``clip(2 - |6h - 2|)`` and ``clip(2 - |6h - 4|)``, each to 0..1."""
    x, b = only(ctx, "images"), ctx.b
    axis = _axes(ctx, x)[2]
    hue, saturation, value = b.ops("split", x, axis=axis, sizes=(1, 1, 1))
    angle = b.op("mul", hue, b.scalar(6.0, x))
    colours = []
    for centre, factor, start in ((3.0, 1.0, -1.0), (2.0, -1.0, 2.0), (4.0, -1.0, 2.0)):
        distance = b.op("abs", b.op("sub", angle, b.scalar(centre, x)))
        raised = b.op("add", b.op("mul", distance, b.scalar(factor, x)), b.scalar(start, x))
        colour = b.op("sub", b.op("clip", raised, min=0.0, max=1.0), b.scalar(1.0, x))
        mixed = b.op("add", b.op("mul", colour, saturation), b.scalar(1.0, x))
        colours.append(b.op("mul", mixed, value))
    return b.op("concat", *colours, axis=axis)


def _margins(ctx: Context, x: Value, what: str) -> list[tuple[int, int, int]]:
    """(axis, before, after) of height and width; one of the three of before, after and the target is worked out."""
    sign = 1 if what == "padding" else -1
    found = []
    for axis, (low, high, target) in zip(
        _axes(ctx, x), (("top", "bottom", "height"), ("left", "right", "width")), strict=False
    ):
        before, after = option(ctx, f"{low}_{what}"), option(ctx, f"{high}_{what}")
        if before is None or after is None:
            rest = sign * (int(option(ctx, f"target_{target}")) - length(ctx, x, axis))
            before = rest - int(after) if before is None else before
            after = rest - int(before) if after is None else after
        if min(before, after) < 0:
            raise ctx.error(
                f"{low}_{what} and {high}_{what} are not negative. Received: {(before, after)} of {x.type}"
            )
        found.append((axis, int(before), int(after)))
    return found


@lowers("ops.PadImages")
def lower_pad_images(ctx: Context, *inputs: Value) -> Value:
    """Zeros around the images."""
    x = only(ctx, "images")
    pads = [(0, 0)] * x.rank
    for axis, before, after in _margins(ctx, x, "padding"):
        pads[axis] = (before, after)
    return ctx.b.op("pad", x, pads=tuple(pads), value=0)


@lowers("ops.CropImages")
def lower_crop_images(ctx: Context, *inputs: Value) -> Value:
    """The images without their margins."""
    x = only(ctx, "images")
    for axis, before, after in _margins(ctx, x, "cropping"):
        if before or after:
            x = sliced(ctx, x, axis, before, -after if after else None)
    return x


@lowers("ops.GaussianBlur")
def lower_gaussian_blur(ctx: Context, *inputs: Value) -> Value:
    """Each channel convolved with ``exp(-(x / sigma)^2 / 2)``, made to sum to 1, padded with zeros; sizes are (width, height)
    of the outer product, the second's rows (keras/src/backend/tensorflow/image.py, v3.15)."""
    x = only(ctx, "images")
    sizes, sigmas = (
        [float(n) for n in array_of(ctx, option(ctx, name))] for name in ("kernel_size", "sigma")
    )
    lines = []
    for size, sigma in zip(sizes, sigmas, strict=True):
        line = np.exp(-0.5 * ((np.arange(int(size)) - (size - 1) / 2) / sigma) ** 2)
        lines.append(line / line.sum())
    square = np.outer(lines[1], lines[0]).reshape(int(sizes[0]), int(sizes[1]), 1, 1)
    channels = length(ctx, x, _axes(ctx, x)[2])
    kernel = tensor(ctx, np.tile(square, (1, 1, channels, 1)), x.dtype).constant
    config = {"kernel_size": [int(n) for n in sizes], "strides": 1, "padding": "same", "dilation_rate": 1}
    return _through_layer(
        ctx, x, "DepthwiseConv2D", {**config, "use_bias": False, "activation": "linear"}, kernel=kernel
    )


@lowers("ops.ExtractPatches")
def lower_extract_patches(ctx: Context, *inputs: Value) -> Value:
    """(..., rows, columns, size * size * channels): each window's pixels in order, as a convolution that moves them."""
    x, size = only(ctx, "images"), option(ctx, "size")
    if isinstance(size, list | tuple) and len(size) == 3:
        raise ctx.error(f"Patches have two dimensions. Received: {size!r}")
    window = [size, size] if isinstance(size, int) else list(size)
    channels = length(ctx, x, _axes(ctx, x)[2])
    count = window[0] * window[1] * channels
    kernel = tensor(ctx, np.eye(count).reshape(*window, channels, count), x.dtype).constant
    config = {
        "kernel_size": window,
        "strides": option(ctx, "strides") or window,
        "padding": str(option(ctx, "padding", "valid")).lower(),
        "dilation_rate": option(ctx, "dilation_rate", 1),
        "groups": 1,
        "use_bias": False,
        "activation": "linear",
    }
    return _through_layer(ctx, x, "Conv2D", config, kernel=kernel)


@lowers("ops.SobelEdges")
def lower_sobel_edges(ctx: Context, *inputs: Value) -> Value:
    """(..., channels, 2): the vertical and horizontal differences of Sobel's kernels, the images mirrored at their edges."""
    x, b = only(ctx, "images"), ctx.b
    batch = transposed(ctx, x, (0, 2, 3, 1)) if _is_first(ctx) else x
    rows = np.array([[-1, -2, -1], [0, 0, 0], [1, 2, 1]])
    channels = length(ctx, batch, 3)
    kernel = np.tile(np.stack([rows, rows.T], -1)[:, :, None], (1, 1, channels, 1))
    padded = b.op("pad", batch, pads=((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    edges = b.op(
        "depthwise_conv",
        padded,
        tensor(ctx, kernel, x.dtype),
        None,
        strides=(1, 1),
        padding=((0, 0), (0, 0)),
        dilations=(1, 1),
    )
    result = b.op("reshape", edges, shape=(*batch.shape, 2))
    return transposed(ctx, result, (0, 3, 1, 2, 4)) if _is_first(ctx) else result
