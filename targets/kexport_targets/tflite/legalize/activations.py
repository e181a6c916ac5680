"""Activations that have no builtin, and softmax over other axes than the last."""

from __future__ import annotations

from kexport.ir import Node, Value
from kexport.passes import Rewriter
from kexport.passes.rewrites import activations as spelled_out
from kexport.passes.rewrites import softmax
from kexport_targets.tflite.legalize.registry import legalizes

# The builtins work along the last axis.
legalizes("softmax", "log_softmax")(softmax.over_the_last_axis)
# LOGISTIC and MUL, which XNNPACK runs.
legalizes("silu")(spelled_out.silu)


@legalizes("softplus")
def softplus(node: Node, rewriter: Rewriter) -> Value:
    """``max(x, 0) + log(1 + exp(-|x|))``, which never overflows. It ends near 0 to 2e-7, a rounding of the 1: log1p would be
    exact there and cost twice as much."""
    x, b = node.input(0), rewriter.builder
    small = b.op("exp", b.op("neg", b.op("abs", x)))
    return b.op("add", b.op("relu", x), b.op("log", b.op("add", small, b.scalar(1.0, x))))


@legalizes("elu")
def elu(node: Node, rewriter: Rewriter) -> Value | None:
    """Above 0 ELU is x, below it exp(x) - 1: another alpha is the slope of a LEAKY_RELU on its result."""
    if node.attrs["alpha"] == 1:
        return None
    b = rewriter.builder
    return b.op("leaky_relu", b.op("elu", node.input(0)), alpha=float(node.attrs["alpha"]))
