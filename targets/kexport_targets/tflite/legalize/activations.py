"""Activations that have no builtin, and softmax over other axes than the last."""

from __future__ import annotations

from kexport.ir import Node, Value, dims
from kexport.passes import Rewriter
from kexport_targets.tflite.legalize.registry import legalizes


@legalizes("silu")
def silu(node: Node, rewriter: Rewriter) -> Value:
    """``x * sigmoid(x)``: LOGISTIC and MUL, which XNNPACK runs."""
    x, b = node.input(0), rewriter.builder
    return b.op("mul", x, b.op("sigmoid", x))


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


@legalizes("softmax", "log_softmax")
def softmax(node: Node, rewriter: Rewriter) -> Value | None:
    """The builtins work along the last axis."""
    x, b, axis = node.input(0), rewriter.builder, node.attrs["axis"]
    last = x.rank - 1
    if isinstance(axis, tuple):
        return _softmax_of_several(node, axis, rewriter)
    if axis == last:
        return None
    # Swapping two axes is its own inverse.
    swap = tuple(last if i == axis else axis if i == last else i for i in range(x.rank))
    turned = b.op(node.op, b.op("transpose", x, perm=swap), axis=last)
    return b.op("transpose", turned, perm=swap)


def _softmax_of_several(node: Node, axes: tuple[int, ...], rewriter: Rewriter) -> Value:
    """The axes at the end, as one."""
    x, b = node.input(0), rewriter.builder
    kept = tuple(axis for axis in range(x.rank) if axis not in axes)
    perm = (*kept, *axes)
    turned = b.op("transpose", x, perm=perm)
    merged = dims.product(tuple(x.shape[axis] for axis in axes))
    flat = b.op("reshape", turned, shape=(*(x.shape[axis] for axis in kept), merged))
    result = b.op("reshape", b.op(node.op, flat, axis=len(kept)), shape=turned.shape)
    return b.op("transpose", result, perm=tuple(perm.index(axis) for axis in range(x.rank)))
