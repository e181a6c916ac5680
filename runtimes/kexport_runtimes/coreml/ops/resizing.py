"""Images made larger or smaller. Source: coremltools 9.0, mil/ops/defs/iOS15/image_resizing.py, iOS16 and iOS17."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kexport_runtimes.coreml.errors import ComputeError
from kexport_runtimes.coreml.ops.arguments import ints, one_of
from kexport_runtimes.coreml.ops.interpolation import axis_points, linear, nearest
from kexport_runtimes.coreml.registry import op
from kexport_runtimes.coreml.values import checked_size

Array = NDArray[Any]


@op("upsample_nearest_neighbor")
def upsample_nearest_neighbor(x: Array, scale_factor_height: Any = 1, scale_factor_width: Any = 1) -> Array:
    """The last two axes times a factor, each element repeated."""
    height, width = _scaled(x, scale_factor_height, scale_factor_width)
    return _nearest(x, height, width)


@op("resize_nearest_neighbor")
def resize_nearest_neighbor(x: Array, target_size_height: Any, target_size_width: Any) -> Array:
    """The last two axes in another size, elements repeated or left out."""
    return _nearest(x, int(target_size_height), int(target_size_width))


@op("upsample_bilinear")
def upsample_bilinear(
    x: Array,
    scale_factor_height: Any = 1,
    scale_factor_width: Any = 1,
    align_corners: Any = True,
    half_pixel_centers: Any = None,
) -> Array:
    """The last two axes times a factor, values interpolated; the grid is that of the resulting size."""
    height, width = _scaled(x, scale_factor_height, scale_factor_width)
    if align_corners:
        mode = "STRICT_ALIGN_CORNERS"
    else:
        mode = "UNALIGN_CORNERS" if half_pixel_centers is None or half_pixel_centers else "DEFAULT"
    return _bilinear(x, height, width, mode)


@op("resize_bilinear")
def resize_bilinear(
    x: Array, target_size_height: Any = 1, target_size_width: Any = 1, sampling_mode: str = "DEFAULT"
) -> Array:
    """The last two axes in another size, values interpolated."""
    return _bilinear(x, int(target_size_height), int(target_size_width), sampling_mode)


@op("resize", since="iOS17")
def resize(
    x: Array,
    shape: Any,
    resized_dims: Any,
    interpolation_mode: str = "LINEAR",
    sampling_mode: str = "DEFAULT",
) -> Array:
    """The last ``resized_dims`` axes in the last sizes of ``shape``, where 0 keeps the size."""
    sizes, count = ints(shape), int(resized_dims)
    if not 0 <= count <= min(len(sizes), x.ndim):
        raise ComputeError(f"resizes at most {min(len(sizes), x.ndim)} axes. Received: {count}")
    one_of(interpolation_mode, ("LINEAR", "NEAREST_NEIGHBOR"), "interpolation_mode")
    kind, result = x.dtype, x
    for axis, size in zip(range(x.ndim - count, x.ndim), sizes[len(sizes) - count :], strict=True):
        if size in {0, x.shape[axis]}:
            continue
        checked_size([*result.shape[:axis], size, *result.shape[axis + 1 :]])
        points = axis_points(x.shape[axis], size, sampling_mode)
        if interpolation_mode == "LINEAR":
            result = linear(result, axis, points)
        else:
            # The element next to the point; of two equally near ones the earlier.
            result = nearest(result, axis, np.ceil(points - 0.5))
    return result.astype(kind) if kind.kind in "iu" else result


@op("crop")
def crop(x: Array, crop_height: Any, crop_width: Any) -> Array:
    """The last two axes without that many elements at their beginnings and ends."""
    (top, bottom), (left, right) = ints(crop_height), ints(crop_width)
    height, width = x.shape[-2:]
    if min(top, bottom, left, right) < 0 or top + bottom > height or left + right > width:
        raise ComputeError(f"crops within {x.shape}. Received: {top}, {bottom}, {left}, {right}")
    part: Array = x[..., top : height - bottom, left : width - right]
    return part


def _scaled(x: Array, height: Any, width: Any) -> tuple[int, int]:
    if x.ndim < 3:
        raise ComputeError(f"takes a tensor of rank 3 or more. Received: {x.shape}")
    return int(np.floor(x.shape[-2] * np.float32(height))), int(np.floor(x.shape[-1] * np.float32(width)))


def _nearest(x: Array, height: int, width: int) -> Array:
    checked_size([*x.shape[:-2], height, width])
    rows = nearest(x, x.ndim - 2, np.arange(height) * (x.shape[-2] / height))
    return nearest(rows, x.ndim - 1, np.arange(width) * (x.shape[-1] / width))


def _bilinear(x: Array, height: int, width: int, mode: str) -> Array:
    checked_size([*x.shape[:-2], height, width])
    rows = linear(x, x.ndim - 2, axis_points(x.shape[-2], height, mode))
    return linear(rows, x.ndim - 1, axis_points(x.shape[-1], width, mode))
