"""Functions that have no operator, in the arithmetic of those that have."""

from __future__ import annotations

import math

from kexport.ir import Node, Value
from kexport.passes import Rewriter
from kexport.passes.rewrites import normalization, softmax
from kexport_targets.saved_model.legalize.registry import legalizes

legalizes("softmax", "log_softmax")(softmax.over_the_last_axis)
legalizes("layer_norm")(normalization.layer_norm)


@legalizes("silu")
def silu(node: Node, rewriter: Rewriter) -> Value:
    """``x * sigmoid(x)``."""
    x, b = node.input(0), rewriter.builder
    return b.op("mul", x, b.op("sigmoid", x))


@legalizes("hard_swish")
def hard_swish(node: Node, rewriter: Rewriter) -> Value:
    """``x * relu6(x + 3) / 6``."""
    x, b = node.input(0), rewriter.builder
    gate = b.op("relu6", b.op("add", x, b.scalar(3.0, x)))
    return b.op("mul", b.op("mul", x, gate), b.scalar(1 / 6, x))


@legalizes("gelu")
def gelu(node: Node, rewriter: Rewriter) -> Value:
    """``x * (1 + erf(x / sqrt 2)) / 2``, or its tanh form."""
    x, b = node.input(0), rewriter.builder
    if node.attrs["approximate"]:
        cube = b.op("mul", b.op("square", x), x)
        inner = b.op("add", x, b.op("mul", cube, b.scalar(0.044715, x)))
        bent = b.op("tanh", b.op("mul", inner, b.scalar(math.sqrt(2 / math.pi), x)))
    else:
        bent = b.op("erf", b.op("mul", x, b.scalar(math.sqrt(0.5), x)))
    half = b.op("mul", x, b.scalar(0.5, x))
    return b.op("mul", half, b.op("add", bent, b.scalar(1.0, x)))


@legalizes("elu")
def elu(node: Node, rewriter: Rewriter) -> Value | None:
    """Above 0 Elu is x, below it exp(x) - 1: another alpha is the slope of a LeakyRelu on its result."""
    if node.attrs["alpha"] == 1:
        return None
    b = rewriter.builder
    return b.op("leaky_relu", b.op("elu", node.input(0)), alpha=float(node.attrs["alpha"]))


@legalizes("prelu")
def prelu(node: Node, rewriter: Rewriter) -> Value:
    """``x`` above 0, ``alpha * x`` elsewhere."""
    (x, alpha), b = (node.input(0), node.input(1)), rewriter.builder
    return b.op("select", b.op("greater", x, b.scalar(0.0, x)), x, b.op("mul", alpha, x))


@legalizes("trunc")
def trunc(node: Node, rewriter: Rewriter) -> Value:
    """``sign(x) * floor(|x|)``."""
    x, b = node.input(0), rewriter.builder
    return b.op("mul", b.op("sign", x), b.op("floor", b.op("abs", x)))
