"""Matrix products."""

from __future__ import annotations

import numpy as np

from kexport.ir import Node, Value, dims
from kexport.passes import Rewriter
from kexport.passes.rewrites.convolution import with_activation
from kexport_targets.tflite.legalize.registry import legalizes

#: BATCH_MATMUL takes up to this rank (LiteRT tflite/kernels/batch_matmul.cc, Prepare, commit f67457790c9c).
MATMUL_RANK = 5


@legalizes("dense")
def computed_kernel(node: Node, rewriter: Rewriter) -> Value | None:
    """FULLY_CONNECTED wants its kernel turned round, which a constant is in the file: a computed one is for BATCH_MATMUL."""
    x, kernel, b = node.input(0), node.input(1), rewriter.builder
    if kernel.constant is not None:
        return None
    product = b.op("matmul", x if x.rank > 1 else b.op("expand_dims", x, axes=(0,)), kernel)
    product = product if x.rank > 1 else b.op("squeeze", product, axes=(0,))
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    return with_activation(b, node, product if bias is None else b.op("add", product, bias))


@legalizes("matmul")
def turned_left(node: Node, rewriter: Rewriter) -> Value | None:
    """XNNPACK leaves a BATCH_MATMUL alone that turns its left operand round (xnnpack_delegate.cc, VisitBatchMatMulNode), and
    tflite-runtime 2.14 computes some wrongly that broadcast: a TRANSPOSE does it."""
    if not node.attrs["transpose_a"]:
        return None
    a, build = node.input(0), rewriter.builder
    turned = build.op("transpose", a, perm=(*range(a.rank - 2), a.rank - 1, a.rank - 2))
    return build.op("matmul", turned, node.input(1), transpose_b=node.attrs["transpose_b"])


@legalizes("matmul")
def constant_matrix(node: Node, rewriter: Rewriter) -> Value | None:
    """A product with one constant matrix is a dense layer, whose weights kernels prepare once."""
    a, b = node.input(0), node.input(1)
    if b.constant is None or b.rank != 2 or a.dtype != "float32":
        return None
    kernel = b
    if node.attrs["transpose_b"]:
        shape = b.constant.shape[::-1]
        kernel = rewriter.builder.constant(
            b.constant.map(np.transpose, shape=shape, same_elements=True), name="kernel"
        )
    return rewriter.builder.op("dense", a, kernel, None)


@legalizes("matmul")
def many_dimensions(node: Node, rewriter: Rewriter) -> Value | None:
    """More than five dimensions: those before the matrices as one."""
    a, b, build = node.input(0), node.input(1), rewriter.builder
    if max(a.rank, b.rank) <= MATMUL_RANK:
        return None
    flat = (dims.product(node.output.shape[:-2]),)
    one = build.op("reshape", _spread(node, a, rewriter), shape=(*flat, *a.shape[-2:]))
    two = build.op("reshape", _spread(node, b, rewriter), shape=(*flat, *b.shape[-2:]))
    product = build.op("matmul", one, two, **node.attrs)
    return build.op("reshape", product, shape=node.output.shape)


def _spread(node: Node, value: Value, rewriter: Rewriter) -> Value:
    shape = (*node.output.shape[:-2], *value.shape[-2:])
    return value if value.shape == shape else rewriter.builder.op("broadcast_to", value, shape=shape)
