"""Orders, and boxes in the order of their scores. Source: coremltools 9.0, mil/ops/defs/iOS15/tensor_operation.py, iOS16 and iOS17."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kexport_runtimes.coreml import dtypes
from kexport_runtimes.coreml.errors import ComputeError
from kexport_runtimes.coreml.ops.arguments import axis_of
from kexport_runtimes.coreml.registry import op
from kexport_runtimes.coreml.values import checked_size

Array = NDArray[Any]


def _order(x: Array, axis: int, ascending: Any) -> Array:
    """Indices in the order of the values; equal ones in that of their places."""
    if ascending:
        return np.argsort(x, axis=axis, kind="stable")
    flipped = np.argsort(np.flip(x, axis), axis=axis, kind="stable")
    return np.flip(x.shape[axis] - 1 - flipped, axis)


@op("argsort")
def argsort(x: Array, axis: Any = -1, ascending: Any = False) -> Array:
    """The indices that sort an axis."""
    return _order(x, axis_of(axis, x.ndim), ascending).astype(np.int32)


@op("topk")
def topk(
    x: Array,
    k: Any = 1,
    axis: Any = -1,
    ascending: Any = False,
    sort: Any = True,
    return_indices: Any = True,
    output_indices_dtype: str = "int32",
) -> tuple[Array, ...]:
    """The k largest or smallest elements of an axis in order, and where they were; all with k = -1."""
    at = axis_of(axis, x.ndim)
    count = x.shape[at] if int(k) == -1 else int(k)
    if not 0 <= count <= x.shape[at]:
        raise ComputeError(f"takes at most {x.shape[at]} elements. Received: {count}")
    indices = np.take(_order(x, at, ascending), np.arange(count), axis=at)
    values = np.take_along_axis(x, indices, axis=at)
    if not return_indices:
        return (values,)
    return values, indices.astype(dtypes.by_name(output_indices_dtype).numpy)


@op("non_maximum_suppression")
def non_maximum_suppression(
    boxes: Array,
    scores: Array,
    iou_threshold: Any,
    score_threshold: Any,
    max_boxes: Any,
    per_class_suppression: Any = False,
) -> tuple[Array, Array, Array, Array]:
    """Boxes (n, B, 4) of centre and size that overlap no better one too much; with scores, indices and their number."""
    if bool(per_class_suppression):
        raise ComputeError("is computed over all classes together. Received: per_class_suppression")
    count = int(max_boxes)
    checked_size([len(boxes), count, 4 + scores.shape[-1]])
    kept_boxes = np.zeros((len(boxes), count, 4), np.float32)
    kept_scores = np.zeros((len(boxes), count, scores.shape[-1]), np.float32)
    indices = np.full((len(boxes), count), -1, np.int32)
    numbers = np.zeros(len(boxes), np.int32)
    for sample in range(len(boxes)):
        best = scores[sample].max(axis=-1)
        chosen = _suppressed(boxes[sample], best, float(iou_threshold), float(score_threshold), count)
        n = len(chosen)
        kept_boxes[sample, :n], kept_scores[sample, :n] = boxes[sample][chosen], scores[sample][chosen]
        indices[sample, :n], numbers[sample] = chosen, n
    return kept_boxes, kept_scores, indices, numbers


@op("non_maximum_suppression", since="iOS17")
def non_maximum_suppression_by_rows(
    boxes: Array, scores: Array, iou_threshold: Any, max_boxes: Any, per_class_suppression: Any = False
) -> tuple[Array, Array, Array]:
    """The same with boxes on the last axis: (n, 4, B), and scores (n, K, B)."""
    found = non_maximum_suppression(
        np.swapaxes(boxes, 1, 2),
        np.swapaxes(scores, 1, 2),
        iou_threshold,
        -np.inf,
        max_boxes,
        per_class_suppression,
    )
    return np.swapaxes(found[0], 1, 2), np.swapaxes(found[1], 1, 2), found[2]


def _suppressed(boxes: Array, scores: Array, iou: float, least: float, count: int) -> list[int]:
    """Indices of the boxes that stay, the best first."""
    low, high = boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2
    areas = np.prod(boxes[:, 2:], axis=-1)
    left = [int(i) for i in _order(scores, 0, False) if scores[i] >= least]
    chosen: list[int] = []
    while left and len(chosen) < count:
        best, rest = left[0], left[1:]
        chosen.append(best)
        sides = np.minimum(high[rest], high[best]) - np.maximum(low[rest], low[best])
        shared = np.prod(np.maximum(sides, 0), axis=-1)
        overlap = shared / np.maximum(areas[rest] + areas[best] - shared, 1e-12)
        left = [i for i, share in zip(rest, overlap, strict=True) if share <= iou]
    return chosen
