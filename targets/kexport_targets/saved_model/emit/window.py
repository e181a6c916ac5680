"""Convolutions and pools; channels come last, and there are two spatial dimensions or three."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kexport.ir import Node, dims
from kexport.ir.ops.convolution import transposed_full
from kexport_targets.saved_model.emit.emitter import Emitter, emits
from kexport_targets.saved_model.emit.lengths import shape_vector


def _padding(padding: Any) -> dict[str, Any]:
    """SAME, VALID, or EXPLICIT and the pads."""
    if padding == "same":
        return {"padding": b"SAME"}
    if not any(any(pair) for pair in padding):
        return {"padding": b"VALID"}
    pads = [0, 0, *(int(number) for pair in padding for number in pair), 0, 0]
    return {"padding": b"EXPLICIT", "explicit_paddings": pads}


def _around(numbers: Sequence[int]) -> list[int]:
    """An entry a spatial dimension, and those of the batch and the channels."""
    return [1, *(int(number) for number in numbers), 1]


def _biased(e: Emitter, node: Node, op: str, inputs: Sequence[Any], **attributes: Any) -> None:
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    if bias is None:
        e.op(op, inputs, node.output, dtype=node.output.dtype, **attributes)
    else:
        e.op("BiasAdd", [e.op(op, inputs, dtype=node.output.dtype, **attributes), bias], node.output)


@emits("conv")
def conv(e: Emitter, node: Node) -> None:
    """Conv2D, whose kernel says how many groups there are; Conv3D."""
    x, kernel = node.input(0), node.input(1)
    _biased(
        e,
        node,
        "Conv2D" if x.rank == 4 else "Conv3D",
        [x, kernel],
        strides=_around(node.attrs["strides"]),
        dilations=_around(node.attrs["dilations"]),
        **_padding(node.attrs["padding"]),
    )


@emits("depthwise_conv")
def depthwise_conv(e: Emitter, node: Node) -> None:
    """DepthwiseConv2dNative; legalization leaves equal strides and no dilation."""
    _biased(
        e,
        node,
        "DepthwiseConv2dNative",
        [node.input(0), node.input(1)],
        strides=_around(node.attrs["strides"]),
        **_padding(node.attrs["padding"]),
    )


@emits("conv_transpose")
def conv_transpose(e: Emitter, node: Node) -> None:
    """The gradient of a convolution by its input: Conv2DBackpropInput, whose padding crops; Conv3DBackpropInputV2."""
    x, kernel, shape = node.input(0), node.input(1), node.output.shape
    assert x.rank == 4 or shape == _uncropped(node)
    _biased(
        e,
        node,
        "Conv2DBackpropInput" if x.rank == 4 else "Conv3DBackpropInputV2",
        [shape_vector(e, shape), kernel, x],
        strides=_around(node.attrs["strides"]),
        **_padding(node.attrs["crops"]),
    )


def _uncropped(node: Node) -> dims.Shape:
    x, kernel = node.input(0), node.input(1)
    entries = zip(x.shape[1:-1], kernel.shape, node.attrs["strides"], node.attrs["dilations"], strict=False)
    full = (transposed_full(length, int(str(w)), stride, dilation) for length, w, stride, dilation in entries)
    return (x.shape[0], *full, kernel.shape[-2])


@emits("max_pool", "avg_pool")
def pool(e: Emitter, node: Node) -> None:
    """MaxPool and AvgPool, MaxPool3D and AvgPool3D."""
    x = node.input(0)
    operator = "MaxPool" if node.op == "max_pool" else "AvgPool"
    e.op(
        operator if x.rank == 4 else f"{operator}3D",
        [x],
        node.output,
        ksize=_around(node.attrs["window"]),
        strides=_around(node.attrs["strides"]),
        **_padding(node.attrs["padding"]),
    )
