"""Values of images at computed places. Source: coremltools 9.0, mil/ops/defs/iOS15/image_resizing.py, iOS16 and iOS17.

Images are (n, c, h, w).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kexport_runtimes.coreml.errors import ComputeError
from kexport_runtimes.coreml.ops.arguments import one_of
from kexport_runtimes.coreml.ops.interpolation import span_points
from kexport_runtimes.coreml.registry import op
from kexport_runtimes.coreml.values import checked_size

Array = NDArray[Any]

_BOX_MODES = (
    "CORNERS_HEIGHT_FIRST",
    "CORNERS_WIDTH_FIRST",
    "CENTER_SIZE_HEIGHT_FIRST",
    "CENTER_SIZE_WIDTH_FIRST",
)


@op("crop_resize")
def crop_resize_of_rois(
    x: Array,
    roi: Array,
    target_height: Any = 1,
    target_width: Any = 1,
    normalized_coordinates: Any = False,
    spatial_scale: Any = 1.0,
    box_coordinate_mode: str = "CORNERS_HEIGHT_FIRST",
    sampling_mode: str = "DEFAULT",
    pad_value: Any = 0.0,
) -> Array:
    """Boxes (n, 1, 4, 1, 1) of every image, or (n, 1, 5, 1, 1) of the one whose index stands first: (n, b, c, h, w)."""
    if roi.ndim != 5 or roi.shape[2] not in {4, 5}:
        raise ComputeError(f"takes boxes of shape (n, 1, 4 or 5, 1, 1). Received: {roi.shape}")
    rows = roi.reshape(len(roi), -1)
    size = (int(target_height), int(target_width))
    options = (normalized_coordinates, spatial_scale, box_coordinate_mode, sampling_mode, pad_value)
    if rows.shape[1] == 5:
        return _cropped(x, rows[:, 1:], rows[:, 0], size, *options)[:, None]
    images = [_cropped(x, rows, np.full(len(rows), index), size, *options) for index in range(len(x))]
    return np.stack(images, axis=1)


@op("crop_resize", since="iOS17")
def crop_resize(
    x: Array,
    boxes: Array,
    box_indices: Array | None = None,
    target_height: Any = 1,
    target_width: Any = 1,
    normalized_coordinates: Any = False,
    spatial_scale: Any = 1.0,
    box_coordinate_mode: str = "CORNERS_HEIGHT_FIRST",
    sampling_mode: str = "DEFAULT",
    pad_value: Any = 0.0,
) -> Array:
    """Boxes (n, 4) of the images with those indices: (n, c, h, w)."""
    indices = np.arange(len(boxes)) if box_indices is None else box_indices
    size = (int(target_height), int(target_width))
    options = (normalized_coordinates, spatial_scale, box_coordinate_mode, sampling_mode, pad_value)
    return _cropped(x, boxes.astype(np.float32), indices, size, *options)


def _cropped(
    x: Array,
    boxes: Array,
    indices: Array,
    size: tuple[int, int],
    normalized: Any,
    scale: Any,
    box_mode: str,
    mode: str,
    pad_value: Any,
) -> Array:
    which = indices.astype(np.int64)
    if which.size and (which.min() < 0 or which.max() >= len(x)):
        raise ComputeError(f"takes boxes of {len(x)} images. Received: image {which.min()}..{which.max()}")
    if min(size) < 1:
        raise ComputeError(f"takes a target size of at least 1. Received: {size}")
    checked_size([len(boxes), x.shape[1], *size])
    tops, lefts, bottoms, rights = _corners(boxes * np.float32(scale), box_mode)
    height, width = x.shape[2:]
    if normalized:
        tops, bottoms = tops * (height - 1), bottoms * (height - 1)
        lefts, rights = lefts * (width - 1), rights * (width - 1)
    rows, columns = span_points(tops, bottoms, size[0], mode), span_points(lefts, rights, size[1], mode)
    result = np.empty((len(boxes), x.shape[1], *size), np.float32)
    for box, image in enumerate(which):
        ys, xs = np.meshgrid(rows[box], columns[box], indexing="ij")
        inside = (ys >= 0) & (ys <= height - 1) & (xs >= 0) & (xs <= width - 1)
        values = _bilinear(x[image], np.clip(ys, 0, height - 1), np.clip(xs, 0, width - 1), None)
        result[box] = np.where(inside, values, np.float32(pad_value))
    return result


def _corners(boxes: Array, mode: str) -> tuple[Array, Array, Array, Array]:
    """Top, left, bottom and right of each box."""
    first, second, third, fourth = boxes.T.astype(np.float64)
    match one_of(mode, _BOX_MODES, "box_coordinate_mode"):
        case "CORNERS_HEIGHT_FIRST":
            return first, second, third, fourth
        case "CORNERS_WIDTH_FIRST":
            return second, first, fourth, third
        case "CENTER_SIZE_HEIGHT_FIRST":
            y, x, height, width = first, second, third, fourth
        case _:
            x, y, width, height = first, second, third, fourth
    return y - height / 2, x - width / 2, y + height / 2, x + width / 2


@op("affine", since="iOS15")
def affine(
    x: Array,
    transform_matrix: Array,
    output_height: Any,
    output_width: Any,
    sampling_mode: str,
    padding_mode: str,
    padding_value: Any,
    coordinates_mode: str,
    align_corners: Any,
) -> Array:
    """The image at linearly transformed places: x' = a0 x + a1 y + a2, y' = b0 x + b1 y + b2, all from -1 to 1."""
    height, width = int(output_height), int(output_width)
    checked_size([*x.shape[:2], height, width])
    ys, xs = np.meshgrid(_line(height, align_corners), _line(width, align_corners), indexing="ij")
    places = np.stack([xs, ys, np.ones_like(xs)], axis=-1)
    matrices = np.broadcast_to(transform_matrix, (len(x), 6)).reshape(len(x), 2, 3).astype(np.float64)
    coordinates = np.einsum("hwk,bck->bhwc", places, matrices)
    return resample(
        x, coordinates, sampling_mode, padding_mode, padding_value, coordinates_mode, align_corners
    )


def _line(count: int, align_corners: Any) -> Array:
    """Positions of ``count`` pixels from -1 to 1."""
    if align_corners:
        return np.linspace(-1, 1, count) if count > 1 else np.zeros(1)
    return (2 * np.arange(count) + 1) / count - 1


@op("resample", since="iOS15")
def resample(
    x: Array,
    coordinates: Array,
    sampling_mode: str,
    padding_mode: str,
    padding_value: Any,
    coordinates_mode: str,
    align_corners: Any,
) -> Array:
    """The image at ``coordinates`` (n, h, w, 2), x before y."""
    modes = ("unnormalized", "normalized_minus_one_to_one", "normalized_zero_to_one")
    one_of(coordinates_mode, modes, "coordinates_mode")
    one_of(sampling_mode, ("bilinear", "nearest"), "sampling_mode")
    one_of(padding_mode, ("constant", "border", "reflection", "symmetric"), "padding_mode")
    if x.ndim != 4 or coordinates.ndim != 4 or coordinates.shape[-1] != 2 or len(coordinates) != len(x):
        raise ComputeError(
            f"takes (n, c, h, w) and coordinates (n, h, w, 2). Received: {x.shape}, {coordinates.shape}"
        )
    height, width = x.shape[2:]
    checked_size([*x.shape[:2], *coordinates.shape[1:3]])
    xs = _in_pixels(coordinates[..., 0], width, coordinates_mode, align_corners)
    ys = _in_pixels(coordinates[..., 1], height, coordinates_mode, align_corners)
    outside = np.float32(padding_value) if padding_mode == "constant" else None
    ys, xs = _folded(ys, height, padding_mode), _folded(xs, width, padding_mode)
    if sampling_mode == "nearest":
        ys, xs = np.rint(ys), np.rint(xs)
    images = [_bilinear(image, y, x_, outside) for image, y, x_ in zip(x, ys, xs, strict=True)]
    return np.stack(images)


def _in_pixels(values: Array, size: int, mode: str, align_corners: Any) -> Array:
    """Coordinates as positions of elements."""
    places = values.astype(np.float64)
    if mode == "unnormalized":
        return places
    share = (places + 1) / 2 if mode == "normalized_minus_one_to_one" else places
    return share * (size - 1) if align_corners else share * size - 0.5


def _folded(places: Array, size: int, mode: str) -> Any:
    """Positions outside the image as those whose values the padding repeats."""
    match mode:
        case "border":
            return np.clip(places, 0, size - 1)
        case "reflection" if size > 1:
            around = np.mod(places, 2 * (size - 1))
            return np.minimum(around, 2 * (size - 1) - around)
        case "symmetric":
            around = np.mod(places + 0.5, 2 * size)
            return np.clip(np.minimum(around, 2 * size - around) - 0.5, 0, size - 1)
        case "reflection":
            return np.zeros_like(places)
    return places


def _bilinear(image: Array, ys: Array, xs: Array, outside: np.float32 | None) -> Array:
    """Values of (c, h, w) at places between pixels; beyond the edge ``outside``, if that is given."""
    height, width = image.shape[1:]
    top, left = np.floor(np.nan_to_num(ys)), np.floor(np.nan_to_num(xs))
    total = np.zeros((len(image), *ys.shape), np.float32)
    for rows, row_share in ((top, 1 - (ys - top)), (top + 1, ys - top)):
        for columns, column_share in ((left, 1 - (xs - left)), (left + 1, xs - left)):
            inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
            at_row = np.clip(rows, 0, height - 1).astype(np.int64)
            at_column = np.clip(columns, 0, width - 1).astype(np.int64)
            value = image[:, at_row, at_column]
            if outside is not None:
                value = np.where(inside, value, outside)
            total += value * (row_share * column_share).astype(np.float32)
    return total
