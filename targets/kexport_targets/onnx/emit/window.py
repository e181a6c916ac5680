"""Convolutions and pools; channels come first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kexport.ir import Array, Node, dims
from kexport.ir.ops.convolution import same_pads
from kexport_targets.onnx.emit.emitter import Emitter, emits


def _padding(node: Node, window: Sequence[int]) -> dict[str, Any]:
    """``pads``; where ``same`` can't be worked out yet, the operator does it, the odd one after as well."""
    padding, spatial = node.attrs["padding"], node.input(0).shape[2:]
    if padding != "same":
        pairs = [(int(before), int(after)) for before, after in padding]
    elif dims.is_static(spatial):
        dilations = node.attrs.get("dilations") or [1] * len(window)
        pairs = [
            same_pads(int(str(length)), width, stride, dilation)
            for length, width, stride, dilation in zip(
                spatial, window, node.attrs["strides"], dilations, strict=True
            )
        ]
    else:
        return {"auto_pad": "SAME_UPPER"}
    return {"pads": [before for before, _ in pairs] + [after for _, after in pairs]}


def _window_of(node: Node) -> tuple[int, ...]:
    return tuple(int(str(dim)) for dim in node.input(1).shape[:-2])


@emits("conv")
def conv(e: Emitter, node: Node) -> None:
    """Conv; kernels are (out, in / groups, *window)."""
    kernel, window = node.input(1), _window_of(node)
    shape = (int(str(kernel.shape[-1])), int(str(kernel.shape[-2])), *window)
    turned = e.weight(kernel, lambda w: np.moveaxis(w, (-1, -2), (0, 1)), shape)
    e.op(
        "Conv",
        [node.input(0), turned, *node.inputs[2:]],
        node.outputs,
        kernel_shape=list(window),
        strides=list(node.attrs["strides"]),
        dilations=list(node.attrs["dilations"]),
        group=node.attrs["groups"],
        **_padding(node, window),
    )


@emits("depthwise_conv")
def depthwise_conv(e: Emitter, node: Node) -> None:
    """Conv with a group a channel; kernels are (in * multiplier, 1, *window)."""
    kernel, window = node.input(1), _window_of(node)
    channels, multiplier = (int(str(dim)) for dim in kernel.shape[-2:])

    def change(w: Array) -> Array:
        return np.moveaxis(w.reshape(*window, channels * multiplier), -1, 0)[:, None]

    e.op(
        "Conv",
        [
            node.input(0),
            e.weight(kernel, change, (channels * multiplier, 1, *window)),
            *node.inputs[2:],
        ],
        node.outputs,
        kernel_shape=list(window),
        strides=list(node.attrs["strides"]),
        dilations=list(node.attrs["dilations"]),
        group=channels,
        **_padding(node, window),
    )


@emits("conv_transpose")
def conv_transpose(e: Emitter, node: Node) -> None:
    """ConvTranspose; kernels are (in, out, *window). Crops are its pads; what a negative one adds is padded afterwards."""
    kernel, window = node.input(1), _window_of(node)
    shape = (int(str(kernel.shape[-1])), int(str(kernel.shape[-2])), *window)
    turned = e.weight(kernel, lambda w: np.moveaxis(w, (-1, -2), (0, 1)), shape)
    crops = node.attrs["crops"]
    added = [(max(-before, 0), max(-after, 0)) for before, after in crops]
    attributes: dict[str, Any] = {
        "kernel_shape": list(window),
        "strides": list(node.attrs["strides"]),
        "dilations": list(node.attrs["dilations"]),
        "pads": [max(before, 0) for before, _ in crops] + [max(after, 0) for _, after in crops],
    }
    if not any(map(any, added)):
        e.op("ConvTranspose", [node.input(0), turned, *node.inputs[2:]], node.outputs, **attributes)
        return
    made = e.op("ConvTranspose", [node.input(0), turned], **attributes)
    pads = e.ints([0, 0, *(low for low, _ in added), 0, 0, *(high for _, high in added)])
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    if bias is None:
        e.op("Pad", [made, pads], node.outputs)
        return
    padded = e.op("Pad", [made, pads])
    column = e.weight(
        bias, lambda b: b.reshape(-1, *[1] * len(window)), (int(str(bias.shape[0])), *[1] * len(window))
    )
    e.op("Add", [padded, column], node.outputs)


@emits("max_pool")
def max_pool(e: Emitter, node: Node) -> None:
    """MaxPool, whose padding never wins."""
    window = node.attrs["window"]
    e.op(
        "MaxPool",
        node.inputs,
        node.outputs,
        kernel_shape=list(window),
        strides=list(node.attrs["strides"]),
        **_padding(node, window),
    )


@emits("avg_pool")
def avg_pool(e: Emitter, node: Node) -> None:
    """AveragePool."""
    window = node.attrs["window"]
    e.op(
        "AveragePool",
        node.inputs,
        node.outputs,
        kernel_shape=list(window),
        strides=list(node.attrs["strides"]),
        count_include_pad=int(node.attrs["count_include_pad"]),
        **_padding(node, window),
    )
