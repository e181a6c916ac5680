"""Convolutions: paddings other than ``same``, groups, and what transposed convolutions lack."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kexport.errors import UnsupportedOpError
from kexport.ir import Array, Builder, Node, Value
from kexport.passes import Rewriter
from kexport_targets.tflite.legalize.registry import legalizes


def pad_spatial(b: Builder, x: Value, pads: Sequence[tuple[int, int]], value: float = 0.0) -> Value:
    """A channels-last ``x`` with ``pads`` elements of ``value`` around its spatial dimensions."""
    return b.op("pad", x, pads=((0, 0), *pads, (0, 0)), value=value)


def with_activation(b: Builder, node: Node, value: Value) -> Value:
    """``value`` through the activation that ``node`` carries."""
    activation = node.attrs["activation"]
    if activation == "relu_n1_to_1":
        return b.op("clip", value, min=-1.0, max=1.0)
    return value if activation == "none" else b.op(activation, value)


def pads_before(node: Node) -> tuple[tuple[int, int], ...] | None:
    """The explicit padding of a window op that has some; None where it has none, or pads ``same``."""
    padding = node.attrs["padding"]
    return None if padding == "same" or not any(any(pair) for pair in padding) else tuple(padding)


def _unpadded(node: Node) -> dict[str, object]:
    return {**node.attrs, "padding": ((0, 0),) * len(node.attrs["padding"])}


@legalizes("conv", "depthwise_conv", "conv_transpose")
def constant_kernel(node: Node, rewriter: Rewriter) -> None:
    """Kernels lie in the file in another order than Keras's, and XNNPACK packs them once."""
    if node.input(1).constant is None:
        raise UnsupportedOpError(
            f"Layer {node.origin!r}: in TFLite the kernel of a {node.op} is constant. Received: {node.input(1).type}, "
            "computed by other layers.",
            hint="Give the layer a kernel of its own.",
        )


@legalizes("depthwise_conv")
def depthwise_3d(node: Node, rewriter: Rewriter) -> Value | None:
    """A convolution of groups of one channel."""
    kernel = node.input(1)
    if kernel.rank != 5:
        return None
    assert kernel.constant is not None
    groups = kernel.constant.shape[3]
    shape = (*kernel.constant.shape[:3], 1, groups * kernel.constant.shape[4])
    flat = rewriter.builder.constant(
        kernel.constant.map(lambda k: np.reshape(k, shape), shape=shape), name="kernel"
    )
    return rewriter.builder.op("conv", node.input(0), flat, *node.inputs[2:], **node.attrs, groups=groups)


@legalizes("conv")
def one_channel_groups(node: Node, rewriter: Rewriter) -> Value | None:
    """A convolution of groups of one channel is a depthwise one."""
    kernel, groups = node.input(1), node.attrs["groups"]
    if groups == 1 or kernel.shape[-2] != 1 or kernel.rank != 4:
        return None
    assert kernel.constant is not None
    shape = (*kernel.constant.shape[:2], groups, kernel.constant.shape[-1] // groups)
    split = rewriter.builder.constant(
        kernel.constant.map(lambda k: np.reshape(k, shape), shape=shape), name="kernel"
    )
    attrs = {key: value for key, value in node.attrs.items() if key != "groups"}
    return rewriter.builder.op("depthwise_conv", node.input(0), split, *node.inputs[2:], **attrs)


@legalizes("conv", "depthwise_conv")
def explicit_padding(node: Node, rewriter: Rewriter) -> Value | None:
    """What is neither SAME nor VALID is a PAD before a VALID."""
    pads = pads_before(node)
    if pads is None:
        return None
    x = pad_spatial(rewriter.builder, node.input(0), pads)
    return rewriter.builder.op(node.op, x, *node.inputs[1:], **_unpadded(node))


@legalizes("conv")
def grouped_3d(node: Node, rewriter: Rewriter) -> Value | None:
    """CONV_3D has no groups: one a group, side by side."""
    x, kernel, groups = node.input(0), node.input(1), node.attrs["groups"]
    if groups == 1 or kernel.rank != 5:
        return None
    b, attrs = rewriter.builder, {**node.attrs, "groups": 1}
    inner, outer = int(str(kernel.shape[-2])), int(str(kernel.shape[-1])) // groups
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    parts = b.ops("split", x, axis=4, sizes=(inner,) * groups)
    results = [
        b.op(
            "conv",
            part,
            _columns(b, kernel, g, outer),
            None if bias is None else _columns(b, bias, g, outer),
            **attrs,
        )
        for g, part in enumerate(parts)
    ]
    return b.op("concat", *results, axis=4)


def _columns(b: Builder, value: Value, group: int, width: int) -> Value:
    """The ``group``-th ``width`` elements along the last axis of a constant."""
    assert value.constant is not None
    shape = (*value.constant.shape[:-1], width)

    def cut(array: Array) -> Array:
        return np.ascontiguousarray(array[..., group * width : (group + 1) * width])

    return b.constant(value.constant.map(cut, shape=shape), name="group")


# Transposed convolutions.


def fits_same(window: int, stride: int, crops: tuple[int, int]) -> bool:
    """Whether SAME takes ``crops`` off a transposed convolution, whatever the length.

    SAME wants ``ceil(output / stride) == input`` and takes ``max((input - 1) * stride + window - output, 0)`` off, half of it
    (rounded down) before (LiteRT tflite/kernels/padding.h, ComputePaddingHeightWidth, commit f67457790c9c).
    """
    total = sum(crops)
    return 0 < window - total <= stride and crops[0] == total // 2


def _changed_kernel(
    node: Node, rewriter: Rewriter, shape: Sequence[int], change: object, **attrs: object
) -> Value:
    kernel = node.input(1)
    assert kernel.constant is not None
    assert callable(change)
    made = rewriter.builder.constant(kernel.constant.map(change, shape=shape), name="kernel")
    return rewriter.builder.op(
        "conv_transpose", node.input(0), made, *node.inputs[2:], **{**node.attrs, **attrs}
    )


@legalizes("conv_transpose")
def activated(node: Node, rewriter: Rewriter) -> Value | None:
    """TRANSPOSE_CONV carries an activation from version 4 on, later than the bias."""
    if node.attrs["activation"] == "none":
        return None
    b = rewriter.builder
    return with_activation(b, node, b.op(node.op, *node.inputs, **{**node.attrs, "activation": "none"}))


@legalizes("conv_transpose")
def dilated(node: Node, rewriter: Rewriter) -> Value | None:
    """TRANSPOSE_CONV does not dilate: the kernel gets its zeros here."""
    dilations = tuple(node.attrs["dilations"])
    if all(dilation == 1 for dilation in dilations):
        return None
    window = [int(str(dim)) for dim in node.input(1).shape[:-2]]
    shape = (
        *(d * (w - 1) + 1 for w, d in zip(window, dilations, strict=True)),
        *map(_int, node.input(1).shape[-2:]),
    )

    def spread(kernel: Array) -> Array:
        result = np.zeros(shape, kernel.dtype)
        result[tuple(slice(None, None, d) for d in dilations)] = kernel
        return result

    return _changed_kernel(node, rewriter, shape, spread, dilations=(1,) * len(dilations))


@legalizes("conv_transpose")
def extended(node: Node, rewriter: Rewriter) -> Value | None:
    """A negative crop adds zeros (and the bias on them): so does a kernel with zeros at that end."""
    crops = [(int(before), int(after)) for before, after in node.attrs["crops"]]
    if all(before >= 0 and after >= 0 for before, after in crops):
        return None
    added = [(max(-before, 0), max(-after, 0)) for before, after in crops]
    window = [_int(dim) + sum(pair) for dim, pair in zip(node.input(1).shape[:-2], added, strict=True)]
    shape = (*window, *map(_int, node.input(1).shape[-2:]))
    kept = tuple((max(before, 0), max(after, 0)) for before, after in crops)

    def extend(kernel: Array) -> Array:
        return np.pad(kernel, [*added, (0, 0), (0, 0)])

    return _changed_kernel(node, rewriter, shape, extend, crops=kept)


@legalizes("conv_transpose")
def cropped(node: Node, rewriter: Rewriter) -> Value | None:
    """Crops that neither VALID (none) nor SAME makes are a STRIDED_SLICE after VALID."""
    crops, window = node.attrs["crops"], map(_int, node.input(1).shape[:-2])
    entries = zip(window, node.attrs["strides"], crops, strict=True)
    if not any(any(pair) for pair in crops) or all(fits_same(w, s, tuple(pair)) for w, s, pair in entries):
        return None
    attrs = {**node.attrs, "crops": ((0, 0),) * len(crops)}
    full = rewriter.builder.op("conv_transpose", *node.inputs, **attrs)
    begin = (0, *(before for before, _ in crops), 0)
    end = (None, *(-after if after else None for _, after in crops), None)
    return rewriter.builder.op("slice", full, begin=begin, end=end, strides=(1,) * full.rank)


def _int(dim: object) -> int:
    assert isinstance(dim, int)
    return dim
