"""Matrix products and transposed convolutions that the operations hold otherwise."""

from __future__ import annotations

from kexport.errors import UnsupportedOpError
from kexport.ir import Node, Value
from kexport.passes import Rewriter
from kexport.passes.rewrites import convolution
from kexport_targets.coreml.emit.linear import LINEAR_RANK
from kexport_targets.coreml.legalize.registry import legalizes

legalizes("conv_transpose")(convolution.spread_kernel)
legalizes("conv_transpose")(convolution.extended_kernel)


@legalizes("dense")
def as_matmul(node: Node, rewriter: Rewriter) -> Value | None:
    """``linear`` has constants, and one to three dimensions; others are for ``matmul``."""
    x, kernel, b = node.input(0), node.input(1), rewriter.builder
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    constant = kernel.constant is not None and (bias is None or bias.constant is not None)
    if constant and x.rank <= LINEAR_RANK:
        return None
    product = b.op("matmul", x if x.rank > 1 else b.op("expand_dims", x, axes=(0,)), kernel)
    product = product if x.rank > 1 else b.op("squeeze", product, axes=(0,))
    made = product if bias is None else b.op("add", product, bias)
    return convolution.with_activation(b, node, made)


@legalizes("matmul")
def as_linear(node: Node, rewriter: Rewriter) -> Value | None:
    """A product with a constant matrix is ``linear``."""
    x, kernel, b = node.input(0), node.input(1), rewriter.builder
    plain = kernel.rank == 2 and not node.attrs["transpose_a"] and not node.attrs["transpose_b"]
    if kernel.constant is None or not plain or x.rank > LINEAR_RANK or x.constant is not None:
        return None
    return b.op("dense", x, kernel, None)


@legalizes("conv", "depthwise_conv", "conv_transpose")
def computed_parameters(node: Node, rewriter: Rewriter) -> Value | None:
    """A computed bias is added afterwards; a computed kernel is a ``conv``'s alone."""
    bias, kernel, b = node.inputs[2] if len(node.inputs) > 2 else None, node.input(1), rewriter.builder
    if bias is not None and bias.constant is None:
        made = b.op(node.op, node.input(0), kernel, None, **{**node.attrs, "activation": "none"})
        column = b.op("expand_dims", bias, axes=tuple(range(1, made.rank - 1)))
        return convolution.with_activation(b, node, b.op("add", made, column))
    if kernel.constant is not None or node.op == "conv":
        return None
    if node.op == "depthwise_conv":
        return convolution.depthwise_as_groups(node, rewriter)
    raise UnsupportedOpError(
        f"Layer {node.origin!r}: Core ML has no transposed convolution whose kernel is computed when the model runs.",
        hint="Make the kernel a weight of the model, or export to TF Lite.",
    )
