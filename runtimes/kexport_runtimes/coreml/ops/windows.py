"""What convolutions and pools share: windows over the spatial axes of (batch, channels, *space)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kexport_runtimes.coreml.errors import ComputeError
from kexport_runtimes.coreml.ops.arguments import ints, one_of
from kexport_runtimes.coreml.values import checked_size

Array = NDArray[Any]

PAD_TYPES = ("valid", "same", "same_lower", "custom")


@dataclass(frozen=True)
class Windows:
    """How windows lie on the spatial axes; every field has an entry for each of them.

    Attributes:
        kernel: elements of a window.
        strides: from one window to the next.
        dilations: from one element of a window to the next.
        before: elements of padding in front.
        after: elements of padding behind.
        sizes: how many windows there are.
    """

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    sizes: tuple[int, ...]

    def offsets(self) -> Iterator[Any]:
        """Every position within a window."""
        return itertools.product(*map(range, self.kernel))

    def padded(self, x: Array, value: float) -> Array:
        """``x`` with its padding, and as much behind as the last window reaches over it."""
        width = [(0, 0), (0, 0)]
        sizes = self.padded_sizes(x.shape[2:])
        for size, before, padded in zip(x.shape[2:], self.before, sizes, strict=True):
            width.append((before, padded - before - size))
        checked_size([*x.shape[:2], *sizes])
        return np.pad(x, width, constant_values=value) if any(map(any, width)) else x

    def at(self, padded: Array, offset: Sequence[int]) -> Array:
        """The element at that position of every window."""
        return padded[(..., *self.slices(offset))]

    def slices(self, offset: Sequence[int]) -> Any:
        """Where the element at that position of every window lies on the padded axes."""
        starts = [position * dilation for position, dilation in zip(offset, self.dilations, strict=True)]
        return tuple(
            slice(start, start + (size - 1) * stride + 1, stride)
            for start, size, stride in zip(starts, self.sizes, self.strides, strict=True)
        )

    def padded_sizes(self, space: Sequence[int]) -> tuple[int, ...]:
        """What ``padded`` makes of spatial axes of those sizes."""
        sides = zip(self.before, space, self.after, self._reach(), strict=True)
        return tuple(max(before + size + after, reach) for before, size, after, reach in sides)

    def _reach(self) -> tuple[int, ...]:
        return tuple(
            (size - 1) * stride + (kernel - 1) * dilation + 1
            for size, stride, kernel, dilation in zip(
                self.sizes, self.strides, self.kernel, self.dilations, strict=True
            )
        )


def per_axis(value: Any, rank: int, default: int) -> tuple[int, ...]:
    """An integer for each spatial axis, each at least 1.

    Raises:
        ComputeError: there are as many as not, or one is below 1.
    """
    found = tuple(ints(value)) if value is not None else (default,) * rank
    if len(found) != rank or any(item < 1 for item in found):
        raise ComputeError(f"has {rank} spatial axes, with positive sizes and steps. Received: {found}")
    return found


def paddings(value: Any, rank: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """``pad`` as what goes before and after each axis.

    Raises:
        ComputeError: there are not two for each axis, or one is negative.
    """
    found = tuple(ints(value)) if value is not None else (0,) * 2 * rank
    if len(found) != 2 * rank or any(item < 0 for item in found):
        raise ComputeError(f"takes {2 * rank} paddings of at least 0. Received: {found}")
    return found[::2], found[1::2]


def same_padding(
    space: Sequence[int], reach: Sequence[int], strides: Sequence[int], *, lower: bool
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The padding with which there is a window a stride: ``ceil(size / stride)``.

    Source: ``aggregated_pad`` of coremltools 9.0, mil/ops/defs/_utils.py. The odd element goes behind, or in front with
    ``lower``.
    """
    totals = [
        max(0, -(-size // stride) * stride - size + width - stride)
        for size, width, stride in zip(space, reach, strides, strict=True)
    ]
    small, large = tuple(total // 2 for total in totals), tuple(total - total // 2 for total in totals)
    return (large, small) if lower else (small, large)


def windows(
    space: Sequence[int],
    kernel: Sequence[int],
    *,
    pad_type: str,
    pad: Any,
    strides: Any,
    dilations: Any = None,
    ceil_mode: bool = False,
) -> Windows:
    """The windows over axes of those sizes.

    The number of windows is ``spatial_dimensions_out_shape`` of coremltools 9.0, mil/ops/defs/_utils.py.

    Raises:
        ComputeError: an argument has not its entry for each axis, or no window fits.
    """
    rank = len(space)
    one_of(pad_type, PAD_TYPES, "pad_type")
    steps, spread = per_axis(strides, rank, 1), per_axis(dilations, rank, 1)
    sizes = per_axis(kernel, rank, 1)
    reach = [(size - 1) * dilation + 1 for size, dilation in zip(sizes, spread, strict=True)]
    before, after = paddings(pad if pad_type == "custom" else None, rank)
    if pad_type in {"same", "same_lower"}:
        before, after = same_padding(space, reach, steps, lower=pad_type == "same_lower")
    counts = []
    for axis in range(rank):
        room = space[axis] + before[axis] + after[axis] - reach[axis]
        count = room // steps[axis] + 1
        if ceil_mode:
            count = -(-room // steps[axis]) + 1
            # The last window begins within the input or the padding in front of it.
            padded = before[axis] + after[axis]
            if padded > 0 and (count - 1) * steps[axis] >= space[axis] + padded / 2:
                count -= 1
        if count < 1:
            raise ComputeError(f"has at least one window on each axis. Received: {space}, windows of {reach}")
        counts.append(count)
    return Windows(sizes, steps, spread, before, after, tuple(counts))
