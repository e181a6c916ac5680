"""Convolutions: paddings other than ``same``, groups, and what transposed convolutions lack."""

from __future__ import annotations

from kexport.errors import UnsupportedOpError
from kexport.ir import Node, Value
from kexport.passes import Rewriter
from kexport.passes.rewrites.convolution import (
    crops_after,
    depthwise_as_groups,
    explicit_padding,
    extended_kernel,
    known,
    one_conv_a_group,
    reshaped,
    spread_kernel,
    with_activation,
)
from kexport_targets.tflite.legalize.registry import legalizes


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
    return depthwise_as_groups(node, rewriter) if node.input(1).rank == 5 else None


@legalizes("conv")
def one_channel_groups(node: Node, rewriter: Rewriter) -> Value | None:
    """A convolution of groups of one channel is a depthwise one."""
    kernel, groups = node.input(1), node.attrs["groups"]
    if groups == 1 or kernel.shape[-2] != 1 or kernel.rank != 4:
        return None
    height, width, _, channels = (known(dim) for dim in kernel.shape)
    split = reshaped(rewriter.builder, kernel, (height, width, groups, channels // groups))
    attrs = {key: value for key, value in node.attrs.items() if key != "groups"}
    return rewriter.builder.op("depthwise_conv", node.input(0), split, *node.inputs[2:], **attrs)


# What is neither SAME nor VALID is a PAD before a VALID.
legalizes("conv", "depthwise_conv")(explicit_padding)


@legalizes("conv")
def grouped_3d(node: Node, rewriter: Rewriter) -> Value | None:
    """CONV_3D has no groups: one a group, side by side."""
    return one_conv_a_group(node, rewriter) if node.input(1).rank == 5 else None


# Transposed convolutions.


def fits_same(window: int, stride: int, crops: tuple[int, int]) -> bool:
    """Whether SAME takes ``crops`` off a transposed convolution, whatever the length.

    SAME wants ``ceil(output / stride) == input`` and takes ``max((input - 1) * stride + window - output, 0)`` off, half of it
    (rounded down) before (LiteRT tflite/kernels/padding.h, ComputePaddingHeightWidth, commit f67457790c9c).
    """
    total = sum(crops)
    return 0 < window - total <= stride and crops[0] == total // 2


@legalizes("conv_transpose")
def activated(node: Node, rewriter: Rewriter) -> Value | None:
    """TRANSPOSE_CONV carries an activation from version 4 on, later than the bias."""
    if node.attrs["activation"] == "none":
        return None
    b = rewriter.builder
    return with_activation(b, node, b.op(node.op, *node.inputs, **{**node.attrs, "activation": "none"}))


# TRANSPOSE_CONV does not dilate, nor add zeros.
legalizes("conv_transpose")(spread_kernel)
legalizes("conv_transpose")(extended_kernel)


@legalizes("conv_transpose")
def cropped(node: Node, rewriter: Rewriter) -> Value | None:
    """Crops that neither VALID (none) nor SAME makes are a STRIDED_SLICE after VALID."""
    crops, window = node.attrs["crops"], map(known, node.input(1).shape[:-2])
    entries = zip(window, node.attrs["strides"], crops, strict=True)
    if all(fits_same(w, s, tuple(pair)) for w, s, pair in entries):
        return None
    return crops_after(node, rewriter)
