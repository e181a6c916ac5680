"""Depthwise convolutions as XNNPACK computes them fast, and what it computes fastest as one.

Measured with LiteRT 2.3.0 on x86-64, one thread, float32; the figures are of a layer of ConvNeXt-Tiny and one of DenseNet121.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from kexport.ir import Array, Graph, Node, Value
from kexport.passes import Rewriter, as_pass
from kexport.passes.padding import explicit_padding
from kexport.passes.rewrites.convolution import pad_spatial, with_activation
from kexport_targets.tflite.legalize.registry import legalizes

#: XNNPACK's depthwise kernels take up to this many taps (src/configs/dwconv-config.c: 3, 4, 9 and 25); a larger window is
#: computed as a convolution of as many groups as there are channels, ten times as slowly a tap.
MOST_TAPS: Final = 25


@legalizes("depthwise_conv")
def large_window(node: Node, rewriter: Rewriter) -> Value | None:
    """A window of more than 25 elements is the sum of smaller ones, each on its own part of the input.

    7 x 7 on (1, 56, 56, 96): 6.4 ms as it is; 1.3 ms as windows of 3 x 7, 3 x 7 and 1 x 7.
    """
    kernel = node.input(1)
    if kernel.rank != 4 or kernel.constant is None:
        return None
    height, width = kernel.constant.shape[:2]
    pads = explicit_padding(node)
    if height * width <= MOST_TAPS or pads is None:
        return None
    axis = 0 if height > 1 else 1
    chunk = max(MOST_TAPS // width, 1) if axis == 0 else MOST_TAPS
    b, x = rewriter.builder, node.input(0)
    padded = pad_spatial(b, x, pads) if any(any(pair) for pair in pads) else x
    attrs = {**node.attrs, "padding": ((0, 0), (0, 0)), "activation": "none"}
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    total: Value | None = None
    for start in range(0, kernel.constant.shape[axis], chunk):
        part = _part(node, rewriter, padded, axis, start, chunk)
        made = b.op("depthwise_conv", part, _rows(rewriter, kernel, axis, start, chunk), bias, **attrs)
        total, bias = made if total is None else b.op("add", total, made), None
    assert total is not None
    return with_activation(b, node, total)


def _part(node: Node, rewriter: Rewriter, x: Value, axis: int, start: int, chunk: int) -> Value:
    """What the windows of ``chunk`` rows (or columns) from ``start`` read."""
    length, dilation = int(str(node.input(1).shape[axis])), node.attrs["dilations"][axis]
    left = max(length - start - chunk, 0) * dilation
    if not start and not left:
        return x
    begin: list[int] = [0] * 4
    end: list[int | None] = [None] * 4
    begin[axis + 1], end[axis + 1] = start * dilation, -left or None
    return rewriter.builder.op("slice", x, begin=tuple(begin), end=tuple(end), strides=(1,) * 4)


def _rows(rewriter: Rewriter, kernel: Value, axis: int, start: int, chunk: int) -> Value:
    """Rows (or columns) of the kernel from ``start``."""
    assert kernel.constant is not None
    shape = list(kernel.constant.shape)
    shape[axis] = min(chunk, shape[axis] - start)
    where = (slice(None),) * axis + (slice(start, start + chunk),)

    def cut(array: Array) -> Array:
        return np.ascontiguousarray(array[where])

    return rewriter.builder.constant(kernel.constant.map(cut, shape=shape), name="kernel")


def _by_channel(value: Value, channels: int) -> bool:
    """Whether a constant broadcasts to an image as one number, or one a channel."""
    if value.constant is None:
        return False
    shape = value.constant.shape
    return all(dim == 1 for dim in shape[:-1]) and (not shape or shape[-1] in (1, channels))


def _constant_last(node: Node) -> tuple[Value, Value] | None:
    """The operands of an ``add`` or ``mul`` as (tensor, constant)."""
    a, b = node.input(0), node.input(1)
    if (a.constant is None) == (b.constant is None):
        return None
    return (a, b) if b.constant is not None else (b, a)


@as_pass("scale_and_shift_at_once")
def scale_and_shift_at_once(graph: Graph) -> bool:
    """A scale and a shift of an image's channels (a batch normalization that no kernel took up) are one depthwise
    convolution with a window of one element, which XNNPACK runs as one multiply-add that also clamps.

    On (1, 56, 56, 96), with the relu: 0.076 ms as MUL and ADD, 0.047 ms at once.

    Given::

        a = mul(x, scale)  # x: (batch, height, width, channels); scale: (channels,)
        b = add(a, shift)

    Result::

        b = depthwise_conv(x, scale, shift)  # window: (1, 1)
    """

    def rule(node: Node, rewriter: Rewriter) -> list[Value] | None:
        if node.op != "add" or node.output.rank != 4 or node.output.dtype != "float32":
            return None
        operands = _constant_last(node)
        scaled = rewriter.sole_producer(operands[0]) if operands else None
        if operands is None or scaled is None or scaled.op != "mul" or scaled.attrs["activation"] != "none":
            return None
        inner = _constant_last(scaled)
        channels = node.output.shape[-1]
        if inner is None or not isinstance(channels, int) or inner[0].shape != node.output.shape:
            return None
        if not _by_channel(inner[1], channels) or not _by_channel(operands[1], channels):
            return None
        b = rewriter.builder
        kernel = b.constant(_vector(inner[1], channels, (1, 1, channels, 1)), name="scale")
        shift = b.constant(_vector(operands[1], channels, (channels,)), name="shift")
        attrs = {"strides": (1, 1), "padding": ((0, 0), (0, 0)), "dilations": (1, 1)}
        return b.ops("depthwise_conv", inner[0], kernel, shift, **attrs, activation=node.attrs["activation"])

    return Rewriter(graph).run(rule)


def _vector(value: Value, channels: int, shape: tuple[int, ...]) -> Array:
    assert value.constant is not None
    flat = np.broadcast_to(np.reshape(value.constant.numpy(), -1), (channels,))
    return np.ascontiguousarray(flat).reshape(shape)
