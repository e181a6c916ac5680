"""Convolutions and pools; channels come first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kexport.ir import Array, Node, dims
from kexport.ir.ops.convolution import same_pads
from kexport_targets.coreml.emit.emitter import Emitter, emits
from kexport_targets.coreml.program import Tensor


def _padding(node: Node, window: Sequence[int]) -> dict[str, Any]:
    """``custom`` pads, ``valid`` where there are none; ``same`` where unknown lengths decide."""
    padding, spatial = node.attrs["padding"], node.input(0).shape[2:]
    strides = node.attrs["strides"]
    if padding == "same":
        dilations = node.attrs.get("dilations") or [1] * len(window)
        if all(stride == 1 for stride in strides):
            lengths = [1] * len(window)  # as much, whatever the length
        elif dims.is_static(spatial):
            lengths = [int(str(length)) for length in spatial]
        else:
            return {"pad_type": "same"}
        padding = [same_pads(*entry) for entry in zip(lengths, window, strides, dilations, strict=True)]
    pads = [int(width) for pair in padding for width in pair]
    return {"pad_type": "custom", "pad": pads} if any(pads) else {"pad_type": "valid"}


def _window_of(node: Node) -> tuple[int, ...]:
    return tuple(int(str(dim)) for dim in node.input(1).shape[:-2])


def _convolution(e: Emitter, node: Node, weight: Tensor, window: Sequence[int], groups: int) -> None:
    given = {
        "x": node.input(0),
        "weight": weight,
        "bias": node.inputs[2] if len(node.inputs) > 2 else None,
        "strides": list(node.attrs["strides"]),
        "dilations": list(node.attrs["dilations"]),
        "groups": groups,
        **_padding(node, window),
    }
    e.op("conv", given, node.output)


@emits("conv")
def conv(e: Emitter, node: Node) -> None:
    """``conv``; kernels are (out, in / groups, *window)."""
    kernel, window = node.input(1), _window_of(node)
    inner, outer = (int(str(dim)) for dim in kernel.shape[-2:])
    if kernel.constant is None:
        last = kernel.rank
        perm = [last - 1, last - 2, *range(last - 2)]
        given = {"x": kernel, "perm": perm}
        weight = e.op("transpose", given, dtype=kernel.dtype, shape=(outer, inner, *window))
    else:
        weight = e.weight(kernel, lambda w: np.moveaxis(w, (-1, -2), (0, 1)), (outer, inner, *window))
    _convolution(e, node, weight, window, int(node.attrs["groups"]))


@emits("depthwise_conv")
def depthwise_conv(e: Emitter, node: Node) -> None:
    """``conv`` with a group a channel; kernels are (in * multiplier, 1, *window)."""
    kernel, window = node.input(1), _window_of(node)
    channels, multiplier = (int(str(dim)) for dim in kernel.shape[-2:])

    def change(w: Array) -> Array:
        return np.moveaxis(w.reshape(*window, channels * multiplier), -1, 0)[:, None]

    weight = e.weight(kernel, change, (channels * multiplier, 1, *window))
    _convolution(e, node, weight, window, channels)


@emits("conv_transpose")
def conv_transpose(e: Emitter, node: Node) -> None:
    """``conv_transpose``; kernels are (in, out, *window), crops its pads."""
    kernel, window = node.input(1), _window_of(node)
    outer, inner = (int(str(dim)) for dim in kernel.shape[-2:])
    crops = [int(width) for pair in node.attrs["crops"] for width in pair]
    given = {
        "x": node.input(0),
        "weight": e.weight(kernel, lambda w: np.moveaxis(w, (-1, -2), (0, 1)), (inner, outer, *window)),
        "bias": node.inputs[2] if len(node.inputs) > 2 else None,
        "strides": list(node.attrs["strides"]),
        "dilations": list(node.attrs["dilations"]),
        "groups": 1,
        "pad_type": "custom" if any(crops) else "valid",
        "pad": crops if any(crops) else None,
    }
    e.op("conv_transpose", given, node.output)


@emits("max_pool", "avg_pool")
def pool(e: Emitter, node: Node) -> None:
    """``max_pool``, whose padding never wins, and ``avg_pool``."""
    window = node.attrs["window"]
    given = {
        "x": node.input(0),
        "kernel_sizes": list(window),
        "strides": list(node.attrs["strides"]),
        "ceil_mode": False,
        **_padding(node, window),
    }
    if node.op == "avg_pool":
        given["exclude_padding_from_average"] = not node.attrs["count_include_pad"]
    e.op(node.op, given, node.output)
