"""Parts of tensors, reversal and padding. Source: coremltools 9.0, mil/ops/defs/iOS15/tensor_transformation.py,
tensor_operation.py and iOS18/tensor_transformation.py."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kexport_runtimes.coreml.errors import ComputeError
from kexport_runtimes.coreml.ops.arguments import axes_of, axis_of, flags, ints, one_of
from kexport_runtimes.coreml.registry import op
from kexport_runtimes.coreml.values import checked_size

Array = NDArray[Any]


@op("slice_by_index")
def slice_by_index(
    x: Array,
    begin: Any,
    end: Any,
    stride: Any = None,
    begin_mask: Any = None,
    end_mask: Any = None,
    squeeze_mask: Any = None,
) -> Array:
    """x[begin:end:stride] on every axis; masks leave bounds open, or take the one element at begin."""
    part: Array = x[_index(x, begin, end, stride, begin_mask, end_mask, squeeze_mask)]
    return part


@op("slice_update", since="iOS18")
def slice_update(
    x: Array,
    update: Array,
    begin: Any,
    end: Any,
    stride: Any = None,
    begin_mask: Any = None,
    end_mask: Any = None,
    squeeze_mask: Any = None,
) -> Array:
    """x with the part that :func:`slice_by_index` takes replaced."""
    index = _index(x, begin, end, stride, begin_mask, end_mask, squeeze_mask)
    result = x.copy()
    if result[index].shape != update.shape:
        raise ComputeError(f"replaces a part of shape {result[index].shape}. Received: {update.shape}")
    result[index] = update
    return result


def _index(
    x: Array, begin: Any, end: Any, stride: Any, begin_mask: Any, end_mask: Any, squeeze_mask: Any
) -> tuple[slice | int, ...]:
    rank = x.ndim
    starts, ends = ints(begin), ints(end)
    steps = [1] * rank if stride is None else ints(stride)
    open_starts, open_ends, single = (
        [False] * rank if mask is None else flags(mask) for mask in (begin_mask, end_mask, squeeze_mask)
    )
    if any(len(item) != rank for item in (starts, ends, steps, open_starts, open_ends, single)):
        raise ComputeError(f"takes a bound for each axis of {x.shape}. Received: {starts}, {ends}, {steps}")
    index: list[slice | int] = []
    for axis in range(rank):
        start = None if open_starts[axis] else starts[axis]
        if single[axis]:
            index.append(0 if start is None else start)
        else:
            index.append(slice(start, None if open_ends[axis] else ends[axis], steps[axis]))
    return tuple(index)


@op("slice_by_size")
def slice_by_size(x: Array, begin: Any, size: Any) -> Array:
    """``size`` elements from ``begin`` on, on every axis; -1 takes all that follow."""
    starts, sizes = ints(begin), ints(size)
    if len(starts) != x.ndim or len(sizes) != x.ndim:
        raise ComputeError(f"takes a start and size for each axis of {x.shape}. Received: {starts}, {sizes}")
    index = []
    for length, start, count in zip(x.shape, starts, sizes, strict=True):
        first = start + length if start < 0 else start
        last = length if count == -1 else first + count
        if not 0 <= first <= last <= length:
            raise ComputeError(f"stays within {x.shape}. Received: start {starts}, size {sizes}")
        index.append(slice(first, last))
    part: Array = x[tuple(index)]
    return part


@op("reverse")
def reverse(x: Array, axes: Any = None) -> Array:
    """x backwards along the axes, or all."""
    return np.flip(x, axes_of(axes, x.ndim))


@op("reverse_sequence")
def reverse_sequence(x: Array, lengths: Any, seq_axis: Any = 0, batch_axis: Any = 0) -> Array:
    """For each entry of the batch axis, its first ``lengths`` elements of the other axis backwards."""
    time, batch = axis_of(seq_axis, x.ndim), axis_of(batch_axis, x.ndim)
    moved = np.moveaxis(x, (batch, time), (0, 1))
    counts = ints(lengths)
    if time == batch or len(counts) != len(moved) or not all(0 <= n <= moved.shape[1] for n in counts):
        raise ComputeError(
            f"takes a length within {moved.shape[1]} for each of {len(moved)}. Received: {counts}"
        )
    result = moved.copy()
    for row, count in enumerate(counts):
        result[row, :count] = moved[row, :count][::-1]
    return np.moveaxis(result, (0, 1), (batch, time))


@op("sliding_windows")
def sliding_windows(x: Array, axis: Any, size: Any, stride: Any = 1) -> Array:
    """Every window along an axis: their number takes the axis's place, their elements follow it."""
    at, width, step = axis_of(axis, x.ndim), int(size), int(stride)
    if not 1 <= width <= x.shape[at] or step < 1:
        raise ComputeError(f"takes windows within {x.shape[at]}. Received: {width}, stride {step}")
    checked_size([x.size, width])
    view = np.lib.stride_tricks.sliding_window_view(x, width, axis=at)
    windows = np.moveaxis(view, -1, at + 1)
    part: Array = windows[(slice(None),) * at + (slice(None, None, step),)]
    return part


@op("pad")
def pad(x: Array, pad: Any, mode: str = "constant", constant_val: Any = 0.0) -> Array:
    """x with elements before and after its last axes: a constant, the inner ones mirrored, or the edge again."""
    amounts = ints(pad)
    if len(amounts) % 2 or len(amounts) > 2 * x.ndim or any(amount < 0 for amount in amounts):
        raise ComputeError(f"takes up to {2 * x.ndim} amounts of at least 0. Received: {amounts}")
    pairs = [(0, 0)] * (x.ndim - len(amounts) // 2)
    pairs += list(zip(amounts[::2], amounts[1::2], strict=True))
    checked_size([size + before + after for size, (before, after) in zip(x.shape, pairs, strict=True)])
    match one_of(mode, ("constant", "reflect", "replicate", "symmetric"), "mode"):
        case "constant":
            return np.pad(x, pairs, constant_values=np.asarray(constant_val).astype(x.dtype))
        case "reflect":
            return np.pad(x, pairs, mode="reflect")
        case "replicate":
            return np.pad(x, pairs, mode="edge")
    return np.pad(x, pairs, mode="symmetric")


@op("band_part")
def band_part(x: Array, lower: Any = -1, upper: Any = -1) -> Array:
    """The last two axes' band of that many diagonals below and above the main one, 0 elsewhere; -1 keeps all."""
    rows, columns = np.indices(x.shape[-2:])
    below, above = int(lower), int(upper)
    keep = np.ones(x.shape[-2:], bool)
    if below >= 0:
        keep &= rows - columns <= below
    if above >= 0:
        keep &= columns - rows <= above
    return np.where(keep, x, x.dtype.type(0))
