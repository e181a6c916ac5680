"""Images: batches (rank 4), or one (rank 3), channels last."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from kexport.ir import Value, dtypes
from kexport.lowering.operations.operands import cast, length, sliced
from kexport.lowering.tf_ops.calls import Call, computes, dtype_name


@computes("image.resize", "image.resize_with_pad", "image.resize_bilinear", "image.resize_nearest_neighbor")
def resize(call: Call) -> Value:
    """Resampled to ``size`` with half-pixel centres; in float32 but for "nearest"."""
    x = call.x
    method = str(call.arg("method", default="bilinear")).lower().removeprefix("resizemethod.")
    method = {
        "0": "bilinear",
        "1": "nearest",
        "2": "bicubic",
        "3": "area",
        "nearest_neighbor": "nearest",
    }.get(method, method)
    if call.name.startswith("image.resize_") and not call.name.endswith("_pad"):
        raise call.ctx.error(
            f"tf.compat.v1.{call.name} has other pixel centres than tf.image.resize",
            hint="Use tf.image.resize.",
        )
    if call.flag("preserve_aspect_ratio") or call.name.endswith("_pad"):
        raise call.ctx.error("tf.image.resize is lowered to a size, without preserve_aspect_ratio or padding")
    size = [int(number) for number in call.integers(call.arg("size", "images_size"))]
    wide = x if method == "nearest" else cast(call.ctx, x, "float32")
    options = {"interpolation": method, "antialias": call.flag("antialias"), "data_format": "channels_last"}
    result: Value = call.operation("Resize", wide, module="image", size=size, **options)
    return result


#: Function → (operation, module).
_OPERATIONS: Final = {
    "image.hsv_to_rgb": ("HSVToRGB", "image"),
    "image.rgb_to_hsv": ("RGBToHSV", "image"),
    "image.sobel_edges": ("SobelEdges", "image"),
}


@computes(*_OPERATIONS)
def as_operation(call: Call) -> Value:
    """What keras.ops computes."""
    name, module = _OPERATIONS[call.name]
    result: Value = call.operation(name, call.x, module=module, data_format="channels_last")
    return result


@computes("image.flip_left_right", "image.flip_up_down", "image.transpose", "image.rot90")
def turned(call: Call) -> Value:
    """Columns, or rows, turned round; both swapped; quarter turns."""
    x, b = call.x, call.ctx.b
    rows = x.rank - 3
    if call.name == "image.rot90":
        result: Value = call.operation(
            "Rot90", x, k=int(call.number(call.arg("k", default=1))), axes=[rows, rows + 1]
        )
        return result
    if call.name == "image.transpose":
        return b.op("transpose", x, perm=(*range(rows), rows + 1, rows, rows + 2))
    return b.op("reverse", x, axes=(rows + 1 if "left" in call.name else rows,))


@computes("image.rgb_to_grayscale", "image.grayscale_to_rgb")
def colours(call: Call) -> Value:
    """``0.2989 r + 0.5870 g + 0.1140 b``, integers by way of 0..1; a channel three times."""
    x, b = call.x, call.ctx.b
    if call.name.endswith("to_rgb"):
        return b.op("concat", x, x, x, axis=x.rank - 1)
    if not dtypes.is_float(x.dtype):
        raise call.ctx.error(
            f"tf.image.rgb_to_grayscale is lowered for floats. Received: {x.type}", hint="Cast before."
        )
    weighted = b.op("mul", x, call.tensor([0.2989, 0.5870, 0.1140], x.dtype))
    return b.op("reduce_sum", weighted, axes=(x.rank - 1,), keepdims=True)


@computes("image.adjust_brightness", "image.adjust_contrast")
def adjusted(call: Call) -> Value:
    """``x + delta``; ``(x - mean) * contrast_factor + mean``, the mean of each channel of each image."""
    x, b = call.x, call.ctx.b
    if not dtypes.is_float(x.dtype):
        raise call.ctx.error(f"tf.{call.name} is lowered for floats. Received: {x.type}", hint="Cast before.")
    if call.name.endswith("brightness"):
        return b.op("add", x, call.tensor(call.arg("delta"), x.dtype))
    mean = b.op("reduce_mean", x, axes=(x.rank - 3, x.rank - 2), keepdims=True)
    factor = call.tensor(call.arg("contrast_factor"), x.dtype)
    return b.op("add", b.op("mul", b.op("sub", x, mean), factor), mean)


@computes("image.per_image_standardization")
def standardized(call: Call) -> Value:
    """``(x - mean) / max(stddev, 1 / sqrt(pixels))`` of each image."""
    x, b = cast(call.ctx, call.x, "float32"), call.ctx.b
    axes = tuple(range(x.rank - 3, x.rank))
    count = int(np.prod([length(call.ctx, x, axis) for axis in axes]))
    mean = b.op("reduce_mean", x, axes=axes, keepdims=True)
    variance = b.op("reduce_mean", b.op("squared_difference", x, mean), axes=axes, keepdims=True)
    floor = b.scalar(1 / float(np.sqrt(count)), x)
    return b.op("div", b.op("sub", x, mean), b.op("maximum", b.op("sqrt", variance), floor))


@computes("image.crop_to_bounding_box", "image.pad_to_bounding_box", "image.central_crop")
def boxed(call: Call) -> Value:
    """The box of the target's size at the offset; the image at the offset in a box of it; the middle share of it."""
    x = call.x
    rows = x.rank - 3
    if call.name == "image.central_crop":
        share = float(call.number(call.arg("central_fraction")))
        for axis in (rows, rows + 1):
            size = length(call.ctx, x, axis)
            start = int((size - size * share) / 2)
            x = sliced(call.ctx, x, axis, start, size - start)
        return x
    offsets = [int(call.number(call.arg(f"offset_{side}"))) for side in ("height", "width")]
    targets = [int(call.number(call.arg(f"target_{side}"))) for side in ("height", "width")]
    if call.name.startswith("image.crop"):
        for axis, start, size in zip((rows, rows + 1), offsets, targets, strict=True):
            x = sliced(call.ctx, x, axis, start, start + size)
        return x
    pads = [(0, 0)] * x.rank
    for axis, start, size in zip((rows, rows + 1), offsets, targets, strict=True):
        pads[axis] = (start, size - start - length(call.ctx, x, axis))
    return call.ctx.b.op("pad", x, pads=tuple(pads), value=0)


@computes("image.convert_image_dtype")
def image_dtype(call: Call) -> Value:
    """Integers to floats over the largest integer; floats as they are."""
    x, dtype = call.x, dtype_name(call, call.arg("dtype"))
    if not dtypes.is_float(dtype):
        raise call.ctx.error(f"tf.image.convert_image_dtype is lowered to floats. Received: {dtype}")
    wide = cast(call.ctx, x, dtype)
    if dtypes.is_float(x.dtype):
        return wide
    return call.ctx.b.op("mul", wide, call.ctx.b.scalar(1 / np.iinfo(x.dtype).max, wide))


@computes("image.extract_patches")
def patches(call: Call) -> Value:
    """Each window's pixels in the channels."""
    sizes, strides, rates = (call.integers(call.arg(name))[1:3] for name in ("sizes", "strides", "rates"))
    options: dict[str, Any] = {"size": sizes, "strides": strides, "dilation_rate": rates}
    padding = str(call.arg("padding")).lower()
    result: Value = call.operation(
        "ExtractPatches", call.x, module="image", padding=padding, data_format="channels_last", **options
    )
    return result
