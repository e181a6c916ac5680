"""Functions that have no operator, in the arithmetic of those that have."""

from __future__ import annotations

from kexport.ir import Node, Value
from kexport.passes import Rewriter
from kexport.passes.rewrites import activations as spelled_out
from kexport.passes.rewrites import attention, normalization, softmax
from kexport_targets.saved_model.legalize.registry import legalizes

legalizes("softmax", "log_softmax")(softmax.over_the_last_axis)
legalizes("layer_norm")(normalization.layer_norm)
legalizes("rms_norm")(normalization.rms_norm)
legalizes("attention")(attention.attention)
legalizes("silu")(spelled_out.silu)
legalizes("hard_swish")(spelled_out.hard_swish)
legalizes("gelu")(spelled_out.gelu)


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
