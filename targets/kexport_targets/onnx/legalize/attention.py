"""What the kernel of Attention holds, of the graph's."""

from __future__ import annotations

from kexport.ir import Node, Value
from kexport.passes import Rewriter
from kexport.passes.rewrites.attention import attention
from kexport_targets.onnx.emit.attention import OPSETS


def for_its_kernel(node: Node, rewriter: Rewriter, opset: int) -> Value | None:
    """Spelled out where there is none, or none for its scale; the mask with all rows and columns of the scores: ONNX Runtime's kernel
    takes positive scales alone, and repeats a mask over batch and heads alone."""
    if opset not in OPSETS or node.attrs["scale"] <= 0:
        return attention(node, rewriter)
    mask = node.inputs[3] if len(node.inputs) > 3 else None
    wanted = (node.input(0).shape[1], node.input(1).shape[1])
    if mask is None or (mask.rank >= 2 and mask.shape[-2:] == wanted):
        return None
    b = rewriter.builder
    whole = b.op("broadcast_to", mask, shape=(*mask.shape[:-2], *wanted))
    return b.op("attention", *node.inputs[:3], whole, **node.attrs)
