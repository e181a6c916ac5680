"""Convolutions. Source: coremltools 9.0, mil/ops/defs/iOS15/conv.py."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kexport_runtimes.coreml.errors import ComputeError
from kexport_runtimes.coreml.heavy import computed
from kexport_runtimes.coreml.ops.arguments import ints, one_of
from kexport_runtimes.coreml.ops.windows import Windows, paddings, per_axis, same_padding, windows
from kexport_runtimes.coreml.registry import Call, op
from kexport_runtimes.coreml.values import checked_size

Array = NDArray[Any]


@op("conv")
def conv(
    call: Call,
    x: Array,
    weight: Array,
    bias: Array | None = None,
    strides: Any = None,
    pad_type: str = "valid",
    pad: Any = None,
    dilations: Any = None,
    groups: int | Array = 1,
) -> Array:
    """Convolution without flipping: x (n, c, *space), weight (out, c / groups, *kernel)."""
    channels, parts = _channels(x, weight, groups)
    if channels != x.shape[1] // parts or weight.shape[0] % parts:
        raise ComputeError(
            f"takes weights of its groups. Received: {x.shape}, {weight.shape}, {parts} groups"
        )
    layout = windows(
        x.shape[2:], weight.shape[2:], pad_type=pad_type, pad=pad, strides=strides, dilations=dilations
    )
    found = computed(
        call,
        "Conv",
        {"x": x, "weight": weight, "bias": bias},
        {
            "strides": layout.strides,
            "dilations": layout.dilations,
            "pads": (*layout.before, *layout.after),
            "group": parts,
        },
    )
    return convolve(x, weight, bias, layout, parts) if found is None else found


def convolve(x: Array, weight: Array, bias: Array | None, layout: Windows, groups: int) -> Array:
    """The sum over a window's positions of matrix products over the channels of a group."""
    n, out, space = x.shape[0], weight.shape[0], layout.sizes
    padded = layout.padded(x, 0)
    total = np.zeros(checked_size((n, groups, out // groups, math.prod(space))), np.float32)
    for offset in layout.offsets():
        taken = layout.at(padded, offset).reshape(n, groups, -1, math.prod(space))
        kernel = weight[(..., *offset)].reshape(groups, out // groups, -1)
        total += np.matmul(kernel, taken)
    result = total.reshape(n, out, *space)
    return result if bias is None else result + bias.reshape(-1, *[1] * len(space))


@op("conv_transpose")
def conv_transpose(
    call: Call,
    x: Array,
    weight: Array,
    bias: Array | None = None,
    pad: Any = None,
    output_shape: Any = None,
    pad_type: str = "valid",
    strides: Any = None,
    dilations: Any = None,
    groups: int | Array = 1,
) -> Array:
    """The transpose of a convolution: x (n, c, *space), weight (c, out / groups, *kernel)."""
    _, parts = _channels(x, weight, groups)
    if weight.shape[0] != x.shape[1]:
        raise ComputeError(f"takes weights of its channels. Received: {x.shape}, {weight.shape}")
    rank = x.ndim - 2
    kernel = weight.shape[2:]
    steps, spread = per_axis(strides, rank, 1), per_axis(dilations, rank, 1)
    reach = [(size - 1) * dilation + 1 for size, dilation in zip(kernel, spread, strict=True)]
    full = [(size - 1) * step + width for size, step, width in zip(x.shape[2:], steps, reach, strict=True)]
    before, space = _placed(x, full, reach, steps, pad_type, pad, output_shape)
    layout = Windows(kernel, steps, spread, before, before, x.shape[2:])
    found = _by_onnxruntime(call, x, weight, bias, layout, parts, full, space)
    return _scatter(x, weight, bias, layout, parts, full, space) if found is None else found


def _by_onnxruntime(
    call: Call,
    x: Array,
    weight: Array,
    bias: Array | None,
    layout: Windows,
    groups: int,
    full: list[int],
    space: tuple[int, ...],
) -> Array | None:
    """As :func:`_scatter`, where the result lies within what the kernels reach."""
    after = [size - before - kept for size, before, kept in zip(full, layout.before, space, strict=True)]
    if min(after) < 0:
        return None
    checked_size((len(x), groups * weight.shape[1], *full))
    return computed(
        call,
        "ConvTranspose",
        {"x": x, "weight": weight, "bias": bias},
        {
            "strides": layout.strides,
            "dilations": layout.dilations,
            "pads": (*layout.before, *after),
            "group": groups,
        },
    )


def _placed(
    x: Array,
    full: list[int],
    reach: list[int],
    steps: tuple[int, ...],
    pad_type: str,
    pad: Any,
    output_shape: Any,
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What is cut off in front, and the spatial sizes that are left."""
    one_of(pad_type, ("valid", "same", "same_lower", "custom"), "pad_type")
    before, after = paddings(pad if pad_type == "custom" else None, len(full))
    space = tuple(size - a - b for size, a, b in zip(full, before, after, strict=True))
    if pad_type in {"same", "same_lower"}:
        space = tuple(size * step for size, step in zip(x.shape[2:], steps, strict=True))
    if output_shape is not None:
        space = tuple(ints(output_shape)[2:])
        if len(space) != len(full):
            raise ComputeError(f"has an output_shape of rank {x.ndim}. Received: {ints(output_shape)}")
    if pad_type in {"same", "same_lower"}:
        before, _ = same_padding(space, reach, steps, lower=pad_type == "same_lower")
    return before, space


def _scatter(
    x: Array,
    weight: Array,
    bias: Array | None,
    layout: Windows,
    groups: int,
    full: list[int],
    space: tuple[int, ...],
) -> Array:
    n, per_group = x.shape[0], weight.shape[1]
    end = [max(size, before + kept) for size, before, kept in zip(full, layout.before, space, strict=True)]
    total = np.zeros(checked_size((n, groups * per_group, *end)), np.float32)
    given = x.reshape(n, groups, -1, math.prod(x.shape[2:]))
    for offset in layout.offsets():
        kernel = weight[(..., *offset)].reshape(groups, -1, per_group)
        part = np.matmul(np.swapaxes(kernel, 1, 2), given)
        total[(..., *layout.slices(offset))] += part.reshape(n, groups * per_group, *x.shape[2:])
    kept: Any = tuple(slice(before, before + size) for before, size in zip(layout.before, space, strict=True))
    result: Array = total[(..., *kept)]
    return result if bias is None else result + bias.reshape(-1, *[1] * len(space))


def _channels(x: Array, weight: Array, groups: Any) -> tuple[int, int]:
    """The weight's second axis, and the number of groups."""
    parts = int(groups)
    if not 3 <= x.ndim <= 5 or weight.ndim != x.ndim or parts < 1 or x.shape[1] % parts:
        raise ComputeError(
            f"takes (n, channels, 1 to 3 spatial axes) and weights of the same rank, whose channels the groups divide. "
            f"Received: {x.shape}, {weight.shape}, {parts} groups"
        )
    return weight.shape[1], parts
