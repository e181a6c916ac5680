"""Normalizations spelled out."""

from __future__ import annotations

from kexport.ir import Builder, Node, Value
from kexport.passes.rewriting import Rewriter


def layer_norm(node: Node, rewriter: Rewriter) -> Value:
    """``(x - mean) * rsqrt(mean((x - mean)^2) + epsilon)``, then the scale and the offset, which the dense layer or
    convolution after it may take up."""
    x, axes, b = node.input(0), tuple(node.attrs["axes"]), rewriter.builder
    centred = b.op("sub", x, b.op("reduce_mean", x, axes=axes, keepdims=True))
    variance = b.op("reduce_mean", b.op("square", centred), axes=axes, keepdims=True)
    scale = b.op("rsqrt", b.op("add", variance, b.scalar(node.attrs["epsilon"], x)))
    result = b.op("mul", centred, scale)
    gamma, beta = _parameter(node, 1, b), _parameter(node, 2, b)
    result = result if gamma is None else b.op("mul", result, gamma)
    return result if beta is None else b.op("add", result, beta)


def rms_norm(node: Node, rewriter: Rewriter) -> Value:
    """``x * rsqrt(mean(x^2) + epsilon)``, then the scale."""
    x, axes, b = node.input(0), tuple(node.attrs["axes"]), rewriter.builder
    power = b.op("reduce_mean", b.op("square", x), axes=axes, keepdims=True)
    result = b.op("mul", x, b.op("rsqrt", b.op("add", power, b.scalar(node.attrs["epsilon"], x))))
    gamma = _parameter(node, 1, b)
    return result if gamma is None else b.op("mul", result, gamma)


def _parameter(node: Node, index: int, b: Builder) -> Value | None:
    """The scale or offset, with the dimensions of 1 that let it broadcast to x."""
    value = node.inputs[index] if index < len(node.inputs) else None
    if value is None:
        return None
    x, axes = node.input(0), node.attrs["axes"]
    shape = tuple(x.shape[axis] if axis in axes else 1 for axis in range(axes[0], x.rank))
    return value if value.shape == shape else b.op("reshape", value, shape=shape)
