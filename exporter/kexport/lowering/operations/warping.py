"""Images sampled at computed places: affine and perspective transforms, coordinates, scaling."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np

from kexport.ir import Array, Value, dims, dtypes
from kexport.lowering.arguments import normalized_axis
from kexport.lowering.axes import multiply_axis
from kexport.lowering.operations.matrices import solved
from kexport.lowering.operations.operands import (
    arguments,
    array_of,
    cast,
    length,
    option,
    reshaped,
    sliced,
    tensor,
    transposed,
)
from kexport.lowering.registry import Context, lowers


class _Sample(NamedTuple):
    """One of the elements that an output is blended of: its index along an axis, whether it is inside, and its weight; both None
    where that is certain, and 1."""

    place: Value
    inside: Value | None
    weight: Value | None


@lowers("ops.AffineTransform", "ops.PerspectiveTransform")
def lower_transform(ctx: Context, *inputs: Value) -> Value:
    """Output (x, y) is the image at ``(a0 x + a1 y + a2) / k, (b0 x + b1 y + b2) / k`` with ``k = c0 x + c1 y + 1``; a transform is
    ``a0 a1 a2 b0 b1 b2 c0 c1``. ``PerspectiveTransform``: the one that takes the four end points to the start points.

    tensorflow/core/kernels/image/image_ops.h (``ProjectiveGenerator``, 2.21).
    """
    perspective = ctx.layer.class_name == "PerspectiveTransform"
    if perspective:
        given, start, end = arguments(ctx, "images", "start_points", "end_points")
        x, transforms = tensor(ctx, given), _homography(ctx, start, end)
    else:
        given, other = arguments(ctx, "images", "transform")
        x, transforms = tensor(ctx, given), tensor(ctx, other, "float32")
    if x.rank not in (3, 4) or transforms.rank not in (1, 2):
        raise ctx.error(f"It takes images of rank 3 or 4. Received: {x.type} and {transforms.type}")
    single, first = x.rank == 3, option(ctx, "data_format") == "channels_first"
    x = ctx.b.op("expand_dims", x, axes=(0,)) if single else x
    x = transposed(ctx, x, (0, 2, 3, 1)) if first else x
    rows = reshaped(ctx, transforms, (1, 8)) if transforms.rank == 1 else transforms
    mode = "constant" if perspective else str(option(ctx, "fill_mode", "constant"))
    result = _projected(ctx, x, rows, mode)
    result = transposed(ctx, result, (0, 3, 1, 2)) if first else result
    return ctx.b.op("squeeze", result, axes=(0,)) if single else result


def _projected(ctx: Context, x: Value, rows: Value, mode: str) -> Value:
    """Images (b, h, w, c) through transforms (b or 1, 8)."""
    b, (height, width) = ctx.b, (length(ctx, x, 1), length(ctx, x, 2))
    down, along = (v.reshape(1, height * width).astype("float32") for v in np.mgrid[:height, :width])
    across, below = (b.constant(v, "float32", name="pixels") for v in (along, down))
    a = [sliced(ctx, rows, 1, index, index + 1) for index in range(8)]

    def plane(x_factor: Value, y_factor: Value, shift: Value) -> Value:
        return b.op("add", b.op("add", b.op("mul", x_factor, across), b.op("mul", y_factor, below)), shift)

    scale = plane(a[6], a[7], b.scalar(1.0, rows))
    nowhere = b.op("equal", scale, b.scalar(0.0, scale))
    divisor = b.op("select", nowhere, b.scalar(1.0, scale), scale)
    places = [b.op("div", plane(*a[i : i + 3]), divisor) for i in (3, 0)]
    kept = [_mapped(ctx, place, size, mode) for place, size in zip(places, (height, width), strict=True)]
    axes = [
        _samples(ctx, place, size, str(option(ctx, "interpolation", "bilinear")))
        for place, size in zip(kept, (height, width), strict=True)
    ]
    flat = reshaped(ctx, x, (x.shape[0], height * width, x.shape[3]))
    wide = flat if dtypes.is_float(x.dtype) else cast(ctx, flat, "float32")
    fill = tensor(ctx, option(ctx, "fill_value", 0), wide.dtype)
    blended = _blend(ctx, wide, axes, (width, 1), fill)
    result = b.op("select", b.op("expand_dims", nowhere, axes=(2,)), fill, blended)
    return reshaped(ctx, cast(ctx, result, x.dtype), x.shape)


def _mapped(ctx: Context, place: Value, size: int, mode: str) -> Value:
    """A coordinate brought into the image (``MapCoordinate`` there): clipped, mirrored with the edge, or wrapped."""
    b, last = ctx.b, float(size - 1)
    if mode == "constant":
        return place
    if mode not in ("nearest", "reflect", "wrap"):
        raise ctx.error(f"fill_mode is 'constant', 'nearest', 'reflect' or 'wrap'. Received: {mode!r}")
    if mode == "nearest" or size == 1:
        return b.op("clip", place, min=0.0, max=last)
    period = b.scalar(float(2 * size if mode == "reflect" else size), place)
    negative, above = b.op("less", place, b.scalar(0.0, place)), b.op("greater", place, b.scalar(last, place))
    per = b.scalar(float(2 * size if mode == "reflect" else size - 1), place)
    turns = b.op("floor", b.op("div", b.op("abs", place), per))
    if mode == "wrap":
        under = b.op("add", place, b.op("mul", period, b.op("add", turns, b.scalar(1.0, turns))))
        over = b.op("sub", place, b.op("mul", period, turns))
    else:
        back = b.op("add", place, b.op("mul", period, turns))
        mirrored = b.op("sub", b.op("neg", back), b.scalar(1.0, back))
        under = b.op(
            "select", b.op("less", back, b.scalar(float(-size), back)), b.op("add", back, period), mirrored
        )
        ahead = b.op("sub", place, b.op("mul", period, turns))
        folded = b.op("sub", b.op("sub", period, ahead), b.scalar(1.0, ahead))
        over = b.op("select", b.op("less", ahead, b.scalar(float(size), ahead)), ahead, folded)
    result = b.op("select", negative, under, b.op("select", above, over, place))
    return b.op("clip", result, min=0.0, max=last)


def _samples(ctx: Context, place: Value, size: int, interpolation: str) -> list[_Sample]:
    """The pixels that a coordinate is blended of: the two around it, or the nearest, halves away from 0."""
    b = ctx.b
    if interpolation == "nearest":
        half = b.scalar(0.5, place)
        rounded = b.op("mul", b.op("sign", place), b.op("floor", b.op("add", b.op("abs", place), half)))
        return [_inside(ctx, rounded, None, size)]
    if interpolation != "bilinear":
        raise ctx.error(f"interpolation is 'nearest' or 'bilinear'. Received: {interpolation!r}")
    low = b.op("floor", place)
    share = b.op("sub", place, low)
    one = b.scalar(1.0, place)
    return [
        _inside(ctx, low, b.op("sub", one, share), size),
        _inside(ctx, b.op("add", low, one), share, size),
    ]


def _inside(ctx: Context, place: Value, weight: Value | None, size: int) -> _Sample:
    b = ctx.b
    kept = b.op("clip", place, min=0.0, max=float(size - 1))
    return _Sample(cast(ctx, kept, "int32"), b.op("equal", kept, place), weight)


def _blend(
    ctx: Context, flat: Value, axes: list[list[_Sample]], strides: tuple[int, ...], fill: Value
) -> Value:
    """The weighted sum of the elements that all combinations of the axes' samples name.

    ``flat`` is (b, elements, c) for indices (b or 1, n), or (elements,) for indices (n,). What is not inside is ``fill``.
    """
    b, batched = ctx.b, flat.rank == 3
    total: Value | None = None
    for samples in itertools.product(*axes):
        parts = [
            b.op("mul", s.place, b.scalar(stride, s.place))
            for s, stride in zip(samples, strides, strict=True)
        ]
        index = functools.reduce(lambda left, right: b.op("add", left, right), parts)
        found = _elements(ctx, flat, index)
        inside = [sample.inside for sample in samples if sample.inside is not None]
        if inside:
            valid = functools.reduce(lambda left, right: b.op("logical_and", left, right), inside)
            found = b.op("select", b.op("expand_dims", valid, axes=(2,)) if batched else valid, found, fill)
        for weight in (sample.weight for sample in samples if sample.weight is not None):
            factor = cast(ctx, weight, found.dtype)
            found = b.op("mul", found, b.op("expand_dims", factor, axes=(2,)) if batched else factor)
        total = found if total is None else b.op("add", total, found)
    assert total is not None
    return total


def _elements(ctx: Context, flat: Value, index: Value) -> Value:
    if flat.rank == 1:
        return ctx.b.op("gather", flat, index, axis=0)
    if index.shape[0] == 1:
        return ctx.b.op("gather", flat, ctx.b.op("squeeze", index, axes=(0,)), axis=1)
    if index.shape[0] != flat.shape[0]:
        raise ctx.error(
            f"There is a transform for each image, or one for all. Received: {flat.shape[0]} and {index.shape[0]}"
        )
    return ctx.b.op("gather", flat, index, axis=1, batch_dims=1)


def _homography(ctx: Context, start: Any, end: Any) -> Value:
    """The transforms (b, 8) that take the end points (b, 4, 2) to the start points: eight linear equations, two a point."""
    points = [tensor(ctx, item, "float32") for item in (start, end)]
    if any(value.rank not in (2, 3) or value.shape[-2:] != (4, 2) for value in points):
        raise ctx.error(
            f"Points are (4, 2) or (batch, 4, 2). Received: {points[0].type} and {points[1].type}"
        )
    source, target = (reshaped(ctx, v, (1, 4, 2)) if v.rank == 2 else v for v in points)
    if source.constant is not None and target.constant is not None:
        return ctx.b.constant(
            _known_homography(source.constant.numpy(), target.constant.numpy()), "float32", name="transform"
        )
    b = ctx.b
    x, y = (sliced(ctx, target, 2, axis, axis + 1) for axis in (0, 1))
    zero = b.op("sub", x, x)
    one = b.op("add", zero, b.scalar(1.0, zero))
    blocks = []
    for axis, lead in ((0, (x, y, one, zero, zero, zero)), (1, (zero, zero, zero, x, y, one))):
        own = b.op("neg", sliced(ctx, source, 2, axis, axis + 1))
        blocks.append(b.op("concat", *lead, b.op("mul", own, x), b.op("mul", own, y), axis=2))
    matrix = b.op("concat", *blocks, axis=1)
    right = b.op("concat", *(sliced(ctx, source, 2, axis, axis + 1) for axis in (0, 1)), axis=1)
    return b.op("squeeze", solved(ctx, matrix, right, 8), axes=(2,))


def _known_homography(start: Array, end: Array) -> Array:
    """The same of known points."""
    rows, right = [], []
    for axis in (0, 1):
        x, y, own = end[..., 0], end[..., 1], start[..., axis]
        lead = [x, y, np.ones_like(x)]
        none = [np.zeros_like(x)] * 3
        rows.append(np.stack([*(lead + none if axis == 0 else none + lead), -own * x, -own * y], axis=-1))
        right.append(own)
    matrix, values = np.concatenate(rows, axis=1).astype(np.float64), np.concatenate(right, axis=1)
    result: Array = np.linalg.solve(matrix, values[..., None].astype(np.float64))[..., 0]
    return result


@lowers("ops.MapCoordinates")
def lower_map_coordinates(ctx: Context, *inputs: Value) -> Value:
    """``inputs`` at ``coordinates`` (rank, ...): the nearest element (``order`` 0), or blended of those around (1).

    keras/src/backend/tensorflow/image.py (``map_coordinates``, v3.15).
    """
    given, found = arguments(ctx, "inputs", "coordinates")
    x, places = tensor(ctx, given), tensor(ctx, found)
    order, mode = option(ctx, "order"), str(option(ctx, "fill_mode", "constant"))
    if order not in (0, 1) or places.rank < 2 or places.shape[0] != x.rank:
        raise ctx.error(
            f"order is 0 or 1, coordinates are (rank, ...). Received: {order!r}, {places.type} of {x.type}"
        )
    sizes = [length(ctx, x, axis) for axis in range(x.rank)]
    count = dims.product(places.shape[1:])
    rows = (
        ctx.b.ops("split", reshaped(ctx, places, (x.rank, count)), axis=0, sizes=(1,) * x.rank)
        if x.rank > 1
        else [places]
    )
    axes = [
        _around(ctx, reshaped(ctx, row, (count,)), size, mode, nearest=order == 0)
        for row, size in zip(rows, sizes, strict=True)
    ]
    strides = tuple(math.prod(sizes[axis + 1 :]) for axis in range(x.rank))
    compute = places.dtype if dtypes.is_float(places.dtype) else x.dtype
    flat = cast(ctx, reshaped(ctx, x, (math.prod(sizes),)), compute)
    result = _blend(ctx, flat, axes, strides, tensor(ctx, option(ctx, "fill_value", 0), compute))
    result = (
        ctx.b.op("round", result) if not dtypes.is_float(x.dtype) and dtypes.is_float(compute) else result
    )
    return reshaped(ctx, cast(ctx, result, x.dtype), places.shape[1:])


def _around(ctx: Context, place: Value, size: int, mode: str, *, nearest: bool) -> list[_Sample]:
    """The elements that a coordinate names, brought into the tensor as ``mode`` says."""
    b = ctx.b
    if not dtypes.is_float(place.dtype):
        return [_fixed(ctx, cast(ctx, place, "int32"), None, size, mode)]
    if nearest:
        return [_fixed(ctx, cast(ctx, b.op("round", place), "int32"), None, size, mode)]
    low = b.op("floor", place)
    share = b.op("sub", place, low)
    index = cast(ctx, low, "int32")
    following = b.op("add", index, b.scalar(1, index))
    rest = b.op("sub", b.scalar(1.0, share), share)
    return [_fixed(ctx, index, rest, size, mode), _fixed(ctx, following, share, size, mode)]


def _fixed(ctx: Context, index: Value, weight: Value | None, size: int, mode: str) -> _Sample:
    """``process_coordinates`` there. What it leaves outside (one element of "mirror"), where Keras fails, is the last."""
    b, last, zero = ctx.b, ctx.b.scalar(size - 1, index), ctx.b.scalar(0, index)

    def clipped(value: Value) -> Value:
        return b.op("minimum", b.op("maximum", value, zero), last)

    match mode:
        case "constant":
            kept = clipped(index)
            return _Sample(kept, b.op("equal", kept, index), weight)
        case "nearest":
            return _Sample(clipped(index), None, weight)
        case "wrap":
            return _Sample(b.op("mod", index, b.scalar(size, index)), None, weight)
        case "mirror" | "reflect":
            rest = b.op("mod", b.op("abs", index), b.scalar(2 * size, index))
            back = b.op("sub", b.scalar(2 * size - (mode == "reflect"), index), rest)
            return _Sample(
                clipped(b.op("select", b.op("less", rest, b.scalar(size, index)), rest, back)), None, weight
            )
    raise ctx.error(f"fill_mode is 'constant', 'nearest', 'wrap', 'mirror' or 'reflect'. Received: {mode!r}")


def _cubic(x: Array) -> Array:
    """Keys's kernel with a = -1/2."""
    near, far = ((1.5 * x - 2.5) * x) * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
    result: Array = np.where(x >= 2, 0.0, np.where(x >= 1, far, near))
    return result


def _lanczos(radius: float, x: Array) -> Array:
    wave = radius * np.sin(np.pi * x) * np.sin(np.pi * x / radius)
    near = np.where(x > 1e-3, wave / np.where(x != 0, np.pi**2 * x**2, 1), 1)
    result: Array = np.where(x > radius, 0.0, near)
    return result


def _triangle(x: Array) -> Array:
    result: Array = np.maximum(0, 1 - x)
    return result


_KERNELS: Final[dict[str, Callable[[Array], Array]]] = {
    **dict.fromkeys(["linear", "bilinear", "trilinear", "triangle"], _triangle),
    **dict.fromkeys(["cubic", "bicubic", "tricubic"], _cubic),
    "lanczos3": lambda x: _lanczos(3.0, x),
    "lanczos5": lambda x: _lanczos(5.0, x),
}


def _weights(size: int, wanted: int, scale: float, shift: float, method: str, *, antialias: bool) -> Array:
    """(wanted, size): ``_compute_weight_mat`` in keras/src/backend/tensorflow/image.py (v3.15)."""
    inverse = np.float32(1) / np.float32(scale)
    spread = max(inverse, np.float32(1)) if antialias else np.float32(1)
    centres = (
        (np.arange(wanted, dtype=np.float32) + np.float32(0.5)) * inverse
        - np.float32(shift) * inverse
        - np.float32(0.5)
    )
    distance = np.abs(centres[:, None] - np.arange(size, dtype=np.float32)) / spread
    weights = _KERNELS[method](distance)
    total = weights.sum(axis=1, keepdims=True)
    enough = np.abs(total) > 1000.0 * float(np.finfo(np.float32).eps)
    weights = np.where(enough, weights / np.where(total != 0, total, 1), 0)
    result: Array = np.where(((centres >= -0.5) & (centres <= size - 0.5))[:, None], weights, 0)
    return result


@lowers("ops.ScaleAndTranslate")
def lower_scale_and_translate(ctx: Context, *inputs: Value) -> Value:
    """Along each of ``spatial_dims``, output ``i`` samples ``(i + 0.5 - translation) / scale - 0.5``: one matrix a dimension."""
    given, _, scale, translation = arguments(ctx, "images", "output_shape", "scale", "translation")
    x, shape = tensor(ctx, given), list(ctx.args[1] if len(ctx.args) > 1 else ctx.kwargs["output_shape"])
    method, antialias = str(option(ctx, "method")), bool(option(ctx, "antialias", True))
    if method not in _KERNELS:
        raise ctx.error(f"method is one of {sorted(_KERNELS)}. Received: {method!r}")
    if not dtypes.is_float(x.dtype):
        raise ctx.error(f"It takes floats (Keras on TensorFlow fails on others). Received: {x.type}")
    factors, shifts = (array_of(ctx, item).reshape(-1).tolist() for item in (scale, translation))
    for axis, factor, shift in zip(option(ctx, "spatial_dims"), factors, shifts, strict=True):
        place = normalized_axis(ctx, int(axis), x.rank)
        matrix = _weights(
            length(ctx, x, place), int(shape[place]), factor, shift, method, antialias=antialias
        )
        x = multiply_axis(ctx, x, matrix, place)
    return x
