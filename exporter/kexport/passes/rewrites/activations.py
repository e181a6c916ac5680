"""Activations spelled out."""

from __future__ import annotations

import math

from kexport.ir import Node, Value
from kexport.passes.rewriting import Rewriter


def silu(node: Node, rewriter: Rewriter) -> Value:
    """``x * sigmoid(x)``."""
    x, b = node.input(0), rewriter.builder
    return b.op("mul", x, b.op("sigmoid", x))


def hard_swish(node: Node, rewriter: Rewriter) -> Value:
    """``x * relu6(x + 3) / 6``."""
    x, b = node.input(0), rewriter.builder
    gate = b.op("relu6", b.op("add", x, b.scalar(3.0, x)))
    return b.op("mul", b.op("mul", x, gate), b.scalar(1 / 6, x))


def gelu(node: Node, rewriter: Rewriter) -> Value:
    """``x * (1 + erf(x / sqrt 2)) / 2``; its approximation ``x * (1 + tanh(z)) / 2`` with ``z = sqrt(2 / pi) * (x + 0.044715 x^3)`` is
    ``x * sigmoid(2 z)``."""
    x, b = node.input(0), rewriter.builder
    if node.attrs["approximate"]:
        slope = 2 * math.sqrt(2 / math.pi)
        steepness = b.op(
            "add", b.op("mul", b.op("square", x), b.scalar(slope * 0.044715, x)), b.scalar(slope, x)
        )
        return b.op("mul", x, b.op("sigmoid", b.op("mul", x, steepness)))
    bent = b.op("erf", b.op("mul", x, b.scalar(math.sqrt(0.5), x)))
    half = b.op("mul", x, b.scalar(0.5, x))
    return b.op("mul", half, b.op("add", bent, b.scalar(1.0, x)))
