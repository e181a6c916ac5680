"""Lets window ops pad for themselves."""

from __future__ import annotations

import math
from collections.abc import Collection

from kexport.ir import Graph, Node, Value, dtypes
from kexport.ir.ops.convolution import spatial_axes
from kexport.passes.infrastructure import Pass
from kexport.passes.padding import (
    PADDED_OPS,
    Pads,
    canonical_padding,
    explicit_padding,
    lengths_of,
    window_of,
)
from kexport.passes.rewriting import Rewriter

_NOT_NEGATIVE = ("relu", "relu6", "sigmoid", "softmax", "abs", "square", "exp", "softplus", "sqrt")

#: Ops that give nothing negative when they get nothing negative.
_KEEPS_SIGN = ("max_pool", "avg_pool", "concat", "reshape", "expand_dims", "squeeze", "transpose", "slice")

#: How far back a sign is looked for.
_REACH = 4


def is_never_negative(value: Value, reach: int = _REACH) -> bool:
    """Whether the nodes that compute ``value`` show that it holds nothing below 0."""
    node = value.producer
    if node is None or reach == 0:
        return False
    if node.op in _NOT_NEGATIVE or node.attrs.get("activation") in ("relu", "relu6"):
        return True
    if node.op == "clip":
        return bool(node.attrs["min"] >= 0)
    return node.op in _KEEPS_SIGN and all(
        v is not None and is_never_negative(v, reach - 1) for v in node.inputs
    )


def _spatial_pads(pad: Node, data_format: str) -> Pads | None:
    """The pads of the spatial axes of a ``pad`` that has no others and pads with one value."""
    pads = [(int(low), int(high)) for low, high in pad.attrs["pads"]]
    axes = spatial_axes(len(pads), data_format)
    if pad.attrs["mode"] != "constant" or any(any(pads[a]) for a in range(len(pads)) if a not in axes):
        return None
    return tuple(pads[axis] for axis in axes)


def _takes(node: Node, pad: Node, pads: Pads, own: Pads) -> bool:
    """Whether ``node`` pads with what ``pad`` does."""
    value = float(pad.attrs["value"])
    if node.op in ("conv", "depthwise_conv"):
        return value == 0
    if node.op == "avg_pool":
        return value == 0 and (node.attrs["count_include_pad"] or not any(any(pair) for pair in own))
    if any(max(total) >= size for total, size in zip(_sum(pads, own), window_of(node), strict=True)):
        return False  # a window of nothing but padding
    if dtypes.is_float(node.input(0).dtype) and value == -math.inf:
        return True
    return value == 0 and is_never_negative(pad.input(0))


def _sum(first: Pads, second: Pads) -> Pads:
    return tuple((a + c, b + d) for (a, b), (c, d) in zip(first, second, strict=True))


def fuse_pad(ops: Collection[str] = PADDED_OPS, *, only_same: bool = False) -> Pass:
    """Fuse constant pads into the ``ops`` (convolutions and pools) after them, and call ``same`` what is.

    Given::

        a = pad(x, ((0, 0), (0, 1), (0, 1), (0, 0)))        # x: (batch, 224, 224, 3)
        b = conv(a, kernel; strides=(2, 2), padding=((0, 0), (0, 0)))     # kernel: (3, 3, 3, 32)

    Result::

        b = conv(x, kernel; strides=(2, 2), padding="same")

    Zeros are fused into convolutions and, as far as they then count, average pools; into maximum pools where
    nothing before them is negative, and minus infinity always. ``only_same``: for formats that can't hold other
    paddings, a pad is only fused where the result is ``same``. Explicit pads of an op by itself become ``same``
    where they are, for static lengths or a stride of 1, and a ``same`` that pads nothing becomes zeros.
    """

    def rule(node: Node, rewriter: Rewriter) -> list[Value] | None:
        if node.op not in PADDED_OPS:
            return None
        own = explicit_padding(node)
        if own is None:
            return None
        fused = _fused(node, own, rewriter, only_same) if node.op in ops else None
        return fused or _canonical(node, own, rewriter)

    def apply(graph: Graph) -> bool:
        return Rewriter(graph).run(rule)

    return Pass("fuse_pad", apply)


def _fused(node: Node, own: Pads, rewriter: Rewriter, only_same: bool) -> list[Value] | None:
    pad = rewriter.sole_producer(node.input(0))
    if pad is None or pad.op != "pad":
        return None
    pads = _spatial_pads(pad, node.attrs["data_format"])
    if pads is None or not _takes(node, pad, pads, own):
        return None
    x = pad.input(0)
    lengths = [x.shape[axis] for axis in spatial_axes(x.rank, node.attrs["data_format"])]
    padding = canonical_padding(node, _sum(pads, own), lengths)
    if only_same and padding != "same" and any(any(pair) for pair in padding):
        return None
    attrs = {**node.attrs, "padding": padding}
    if node.op == "avg_pool":
        attrs["count_include_pad"] = True
    return rewriter.builder.ops(node.op, x, *node.inputs[1:], **attrs)


def _canonical(node: Node, own: Pads, rewriter: Rewriter) -> list[Value] | None:
    padding = canonical_padding(node, own, lengths_of(node))
    given = node.attrs["padding"]
    if padding == given or (padding != "same" and given != "same"):
        return None
    return rewriter.builder.ops(node.op, *node.inputs, **{**node.attrs, "padding": padding})
