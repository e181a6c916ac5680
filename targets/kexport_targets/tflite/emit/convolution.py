"""Convolutions, pools and dense layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from kexport.ir import Constant, Node, Value
from kexport_targets.tflite import schema
from kexport_targets.tflite.emit.emitter import Emitter, emits
from kexport_targets.tflite.emit.lengths import shape_vector


def _padding(node: Node) -> int:
    return schema.PADDINGS["same" if node.attrs["padding"] == "same" else "valid"]


def _activation(node: Node) -> int:
    return schema.ACTIVATIONS[node.attrs["activation"]]


def _shape(value: Value) -> tuple[int, ...]:
    assert value.constant is not None
    return value.constant.shape


def _bias(e: Emitter, node: Node, channels: int) -> Value | int:
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    if bias is not None:
        return bias
    return e.constant(Constant.of(np.zeros(channels, np.float32)), f"{node.origin}/zero_bias")


@emits("conv")
def conv(e: Emitter, node: Node) -> None:
    """CONV_2D with weights (out, h, w, in / groups), or CONV_3D with (d, h, w, in, out)."""
    x, kernel = node.input(0), node.input(1)
    shape = _shape(kernel)
    if x.rank == 5:
        _conv_3d(e, node, x, kernel)
        return
    height, width, inner, outer = shape
    weights = e.weight(kernel, lambda k: np.transpose(k, (3, 0, 1, 2)), (outer, height, width, inner))
    strides, dilations = node.attrs["strides"], node.attrs["dilations"]
    e.op(
        "CONV_2D",
        [x, weights, _bias(e, node, outer)],
        node.outputs,
        "Conv2DOptions",
        version=6 if node.attrs["groups"] > 1 else 1,
        padding=_padding(node),
        stride_w=strides[1],
        stride_h=strides[0],
        activation=_activation(node),
        dilation_w=dilations[1],
        dilation_h=dilations[0],
    )


def _conv_3d(e: Emitter, node: Node, x: Value, kernel: Value) -> None:
    strides, dilations = node.attrs["strides"], node.attrs["dilations"]
    e.op(
        "CONV_3D",
        [x, kernel, _bias(e, node, _shape(kernel)[-1])],
        node.outputs,
        "Conv3DOptions",
        padding=_padding(node),
        stride_d=strides[0],
        stride_h=strides[1],
        stride_w=strides[2],
        activation=_activation(node),
        dilation_d=dilations[0],
        dilation_h=dilations[1],
        dilation_w=dilations[2],
    )


@emits("depthwise_conv")
def depthwise_conv(e: Emitter, node: Node) -> None:
    """DEPTHWISE_CONV_2D with weights (1, h, w, in * multiplier)."""
    x, kernel = node.input(0), node.input(1)
    height, width, inner, multiplier = _shape(kernel)
    shape = (1, height, width, inner * multiplier)
    weights = e.weight(kernel, lambda k: np.reshape(k, shape), shape)
    strides, dilations = node.attrs["strides"], node.attrs["dilations"]
    e.op(
        "DEPTHWISE_CONV_2D",
        [x, weights, _bias(e, node, inner * multiplier)],
        node.outputs,
        "DepthwiseConv2DOptions",
        version=1 if tuple(dilations) == (1, 1) else 2,
        padding=_padding(node),
        stride_w=strides[1],
        stride_h=strides[0],
        depth_multiplier=multiplier,
        activation=_activation(node),
        dilation_w=dilations[1],
        dilation_h=dilations[0],
    )


@emits("dense")
def dense(e: Emitter, node: Node) -> None:
    """FULLY_CONNECTED with weights (out, in)."""
    x, kernel = node.input(0), node.input(1)
    inner, outer = _shape(kernel)
    weights = e.weight(kernel, np.transpose, (outer, inner))
    keep = x.rank != 2
    e.op(
        "FULLY_CONNECTED",
        [x, weights, _bias(e, node, outer)],
        node.outputs,
        "FullyConnectedOptions",
        version=5 if keep else 1,
        activation=_activation(node),
        keep_num_dims=keep,
    )


@emits("matmul")
def matmul(e: Emitter, node: Node) -> None:
    """BATCH_MATMUL."""
    flags: dict[str, Any] = {"adj_x": node.attrs["transpose_a"], "adj_y": node.attrs["transpose_b"]}
    e.op("BATCH_MATMUL", node.inputs, node.outputs, "BatchMatMulOptions", **flags)


@emits("max_pool", "avg_pool")
def pool(e: Emitter, node: Node) -> None:
    """MAX_POOL_2D, AVERAGE_POOL_2D (which averages over what is not padding)."""
    window, strides = node.attrs["window"], node.attrs["strides"]
    e.op(
        "MAX_POOL_2D" if node.op == "max_pool" else "AVERAGE_POOL_2D",
        node.inputs,
        node.outputs,
        "Pool2DOptions",
        padding=_padding(node),
        stride_w=strides[1],
        stride_h=strides[0],
        filter_width=window[1],
        filter_height=window[0],
        activation=_activation(node),
    )


@emits("conv_transpose")
def conv_transpose(e: Emitter, node: Node) -> None:
    """TRANSPOSE_CONV with weights (out, h, w, in), or CONV_3D_TRANSPOSE with (d, h, w, out, in).

    VALID crops nothing; what is cropped in a legal graph is what SAME crops (legalize/convolution.py, fits_same).
    """
    x, kernel = node.input(0), node.input(1)
    shape = shape_vector(e, node.output.shape)
    padding = schema.PADDINGS["valid" if not any(any(pair) for pair in node.attrs["crops"]) else "same"]
    strides, bias = node.attrs["strides"], node.inputs[2] if len(node.inputs) > 2 else None
    if x.rank == 5:
        inputs: list[Value | int | None] = [shape, kernel, x, _bias(e, node, _shape(kernel)[-2])]
        sizes = {"stride_d": strides[0], "stride_h": strides[1], "stride_w": strides[2]}
        e.op("CONV_3D_TRANSPOSE", inputs, node.outputs, "Conv3DOptions", padding=padding, **sizes)
        return
    height, width, outer, inner = _shape(kernel)
    weights = e.weight(kernel, lambda k: np.transpose(k, (2, 0, 1, 3)), (outer, height, width, inner))
    e.op(
        "TRANSPOSE_CONV",
        [shape, weights, x] if bias is None else [shape, weights, x, bias],
        node.outputs,
        "TransposeConvOptions",
        version=1 if bias is None else 3,
        padding=padding,
        stride_h=strides[0],
        stride_w=strides[1],
    )
