"""Convolutions and pools that TensorFlow's kernels for CPUs lack: some paddings, groups and dilations, and three dimensions of most."""

from __future__ import annotations

import numpy as np

from kexport.ir import Node, Value
from kexport.passes import Rewriter
from kexport.passes.rewrites import convolution, pooling
from kexport_targets.saved_model.legalize.registry import legalizes


@legalizes("depthwise_conv")
def as_groups(node: Node, rewriter: Rewriter) -> Value | None:
    """DepthwiseConv2dNative has one stride for both dimensions, and no dilation (depthwise_conv_op.cc)."""
    strides, dilations = node.attrs["strides"], node.attrs["dilations"]
    if len(strides) == 2 and len(set(strides)) == 1 and all(dilation == 1 for dilation in dilations):
        return None
    return convolution.depthwise_as_groups(node, rewriter)


@legalizes("depthwise_conv")
def padded_before(node: Node, rewriter: Rewriter) -> Value | None:
    """A pad before it, unless it is SAME: where TensorFlow's optimizer fuses bias and activation into the operator, it forgets the
    operator's explicit pads, and ends the process (grappler/optimizers/remapper.cc, ``CopyDepthwiseConv2dNativeAttributes``,
    2.21)."""
    return convolution.explicit_padding(node, rewriter)


@legalizes("conv")
def groups_of_three_dimensions(node: Node, rewriter: Rewriter) -> Value | None:
    """Conv3D has no groups."""
    return convolution.one_conv_a_group(node, rewriter) if node.input(0).rank == 5 else None


@legalizes("conv")
def bias_of_groups(node: Node, rewriter: Rewriter) -> Value | None:
    """The bias of groups is taken off, negated, after the convolution: one that is added TensorFlow's optimizer fuses into
    ``_FusedConv2D``, which "does not support grouped convolutions" (conv_ops_fused_impl.h, 2.21; measured: always without oneDNN's
    kernels, with them where the window is 1 or dilated)."""
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    if bias is None or node.attrs["groups"] == 1 or node.input(0).rank == 5:
        return None
    b = rewriter.builder
    negated = (
        b.op("neg", bias)
        if bias.constant is None
        else b.constant(bias.constant.map(np.negative), name="bias")
    )
    return b.op("sub", b.op("conv", node.input(0), node.input(1), **node.attrs), negated)


@legalizes("conv")
def dilated_in_three_dimensions(node: Node, rewriter: Rewriter) -> Value | None:
    """Conv3D does not dilate on a CPU (conv_ops_3d.cc)."""
    return convolution.spread_kernel(node, rewriter) if node.input(0).rank == 5 else None


@legalizes("conv")
def padded_in_three_dimensions(node: Node, rewriter: Rewriter) -> Value | None:
    """Conv3D pads SAME or not at all."""
    return convolution.explicit_padding(node, rewriter) if node.input(0).rank == 5 else None


legalizes("conv_transpose")(convolution.spread_kernel)
legalizes("conv_transpose")(convolution.extended_kernel)


@legalizes("conv_transpose")
def cropped_in_three_dimensions(node: Node, rewriter: Rewriter) -> Value | None:
    """Conv3DBackpropInputV2 crops as SAME does or not at all."""
    return convolution.crops_after(node, rewriter) if node.input(0).rank == 5 else None


@legalizes("max_pool", "avg_pool")
def three_dimensions(node: Node, rewriter: Rewriter) -> Value | None:
    """MaxPool3D and AvgPool3D have float32 and bfloat16."""
    return None if node.input(0).dtype == "float32" else pooling.three_dimensions(node, rewriter)


@legalizes("max_pool")
def padded_max(node: Node, rewriter: Rewriter) -> Value | None:
    """MaxPool3D pads SAME or not at all."""
    return pooling.padded_max(node, rewriter) if node.input(0).rank == 5 else None


legalizes("avg_pool")(pooling.padded_mean)
