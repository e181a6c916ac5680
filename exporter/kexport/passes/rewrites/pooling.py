"""Pools: paddings other than ``same``, what a mean divides by, and three dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from kexport.errors import UnsupportedOpError
from kexport.ir import Builder, Node, Value, dims, dtypes
from kexport.passes.padding import same_padding
from kexport.passes.rewrites.convolution import pad_spatial, pads_before, with_activation
from kexport.passes.rewriting import Rewriter


def three_dimensions(node: Node, rewriter: Rewriter) -> Value | None:
    """A pool over height and width of every depth, then one over depth. Maxima are maxima of maxima;
    means are means of means, since the number of elements in a window is a product of numbers in each dimension."""
    x, b = node.input(0), rewriter.builder
    if x.rank != 5:
        return None
    batch, depth, height, width, channels = x.shape
    merged = b.op("reshape", x, shape=(dims.multiply(batch, depth), height, width, channels))
    flat = b.op(node.op, merged, **{**_only(node, (1, 2)), "activation": "none"})
    _, rows, columns, _ = flat.shape
    planes = b.op("reshape", flat, shape=(batch, depth, dims.multiply(rows, columns), channels))
    pooled = b.op(node.op, planes, **_only(node, (0, None)))
    return b.op("reshape", pooled, shape=(batch, pooled.shape[1], rows, columns, channels))


def _only(node: Node, which: Sequence[int | None]) -> dict[str, Any]:
    """The attributes of a pool along the spatial dimensions ``which`` alone; None is one it leaves as it is."""
    attrs = dict(node.attrs)
    for name, idle in (("window", 1), ("strides", 1), ("padding", (0, 0))):
        given = attrs[name]
        if given != "same":
            attrs[name] = tuple(idle if index is None else given[index] for index in which)
    return attrs


def padded_max(node: Node, rewriter: Rewriter) -> Value | None:
    """Padded with what never wins."""
    pads = pads_before(node)
    if pads is None:
        return None
    x, b = node.input(0), rewriter.builder
    lowest = -math.inf if dtypes.is_float(x.dtype) else float(np.iinfo(x.dtype).min)
    return b.op(
        "max_pool", pad_spatial(b, x, pads, lowest), **{**node.attrs, "padding": ((0, 0),) * len(pads)}
    )


def padded_mean(node: Node, rewriter: Rewriter) -> Value | None:
    """Where an operator divides by what is not padding, padding that counts is a ``pad``, and explicit padding that doesn't
    is one whose means are scaled up again."""
    counts, pads = bool(node.attrs["count_include_pad"]), pads_before(node)
    if node.attrs["padding"] == "same":
        return _counted_same(node, rewriter) if counts else None
    if pads is None:
        return None
    b = rewriter.builder
    attrs = {**node.attrs, "padding": ((0, 0),) * len(pads), "count_include_pad": False}
    means = b.op("avg_pool", pad_spatial(b, node.input(0), pads), **{**attrs, "activation": "none"})
    if not counts:
        means = b.op("div", means, _shares(node, pads, attrs, b))
    return with_activation(b, node, means)


def _counted_same(node: Node, rewriter: Rewriter) -> Value:
    """TensorFlow's padding where it counts as zeros. Where unknown lengths decide how much there is, a depthwise convolution
    that adds up its window pads like that."""
    x, b = node.input(0), rewriter.builder
    pads = same_padding(node, x.shape[1:-1])
    if pads is not None:
        return b.op("avg_pool", x, **{**node.attrs, "padding": pads})
    channels = x.shape[-1]
    if not isinstance(channels, int):
        raise UnsupportedOpError(
            f"Layer {node.origin!r}: a mean that counts its padding needs known lengths or known channels. "
            f"Received: {x.type}.",
            hint="Give the dimension a length with --dim.",
        )
    window = tuple(node.attrs["window"])
    kernel = b.constant(np.full((*window, channels, 1), 1 / math.prod(window)), x.dtype, name="mean")
    attrs = {key: node.attrs[key] for key in ("strides", "padding", "activation", "data_format")}
    return b.op("depthwise_conv", x, kernel, None, **attrs, dilations=(1,) * len(window))


def _shares(node: Node, pads: Sequence[tuple[int, int]], attrs: dict[str, Any], b: Builder) -> Value:
    """The share of each window that is not padding: the same pool over ones."""
    x = node.input(0)
    spatial = x.shape[1:-1]
    if dims.is_static(spatial):
        ones = b.constant(np.ones((1, *map(int, map(str, spatial)), 1)), x.dtype, name="ones")
    else:
        one = b.constant(np.ones((1,) * x.rank), x.dtype, name="one")
        ones = b.op("broadcast_to", one, shape=(1, *spatial, 1))
    return b.op("avg_pool", pad_spatial(b, ones, pads), **{**attrs, "activation": "none"})
