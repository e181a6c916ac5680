"""Activations that have no builtin."""

from __future__ import annotations

from kexport.ir import Node, Value
from kexport.passes import Rewriter
from kexport_targets.tflite.legalize.registry import legalizes


@legalizes("silu")
def silu(node: Node, rewriter: Rewriter) -> Value:
    """``x * sigmoid(x)``: LOGISTIC and MUL, which XNNPACK runs."""
    x, b = node.input(0), rewriter.builder
    return b.op("mul", x, b.op("sigmoid", x))
