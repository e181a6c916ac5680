"""Makes one op of a normalization by the root of the mean square."""

from __future__ import annotations

import numpy as np

from kexport.ir import Graph, Node, Value, dtypes
from kexport.passes.infrastructure import as_pass
from kexport.passes.rewriting import Rewriter


@as_pass("fuse_rms_norm")
def fuse_rms_norm(graph: Graph) -> bool:
    """Make one op of what divides by the root of a mean square, whoever spelled it out, and of the scale after it.

    Given::

        m = reduce_mean(square(x), axes=(2,), keepdims=True)
        n = mul(x, rsqrt(add(m, 1e-6)))
        return mul(n, gamma)

    Result::

        return rms_norm(x, gamma, axes=(2,), epsilon=1e-6)
    """
    return Rewriter(graph).run(_rule)


def _rule(node: Node, rewriter: Rewriter) -> list[Value] | None:
    made = _scaled(node, rewriter) if node.op == "mul" else None
    if made is None and node.op in ("mul", "div"):
        made = _normalized(node, rewriter)
    return None if made is None else [made]


def _normalized(node: Node, rewriter: Rewriter) -> Value | None:
    """``x * rsqrt(mean(x^2) + epsilon)``, or ``x / sqrt(mean(x^2) + epsilon)``."""
    if node.attrs["activation"] != "none" or not dtypes.is_float(node.output.dtype):
        return None
    inputs = (node.input(0), node.input(1))
    pairs = (inputs, inputs[::-1]) if node.op == "mul" else (inputs,)
    for x, factor in pairs:
        found = _root(factor, "rsqrt" if node.op == "mul" else "sqrt", rewriter)
        if found is not None and found[0] is x:
            axes, epsilon = found[1:]
            return rewriter.builder.op("rms_norm", x, None, axes=axes, epsilon=epsilon)
    return None


def _root(factor: Value, op: str, rewriter: Rewriter) -> tuple[Value, tuple[int, ...], float] | None:
    """x, axes and epsilon where ``factor`` is ``op`` of ``mean(x^2) + epsilon`` and nothing else reads it."""
    root = rewriter.sole_producer(factor)
    plus = None if root is None or root.op != op else rewriter.sole_producer(root.input(0))
    if plus is None or plus.op != "add" or plus.attrs["activation"] != "none":
        return None
    for power, epsilon in ((plus.input(0), plus.input(1)), (plus.input(1), plus.input(0))):
        mean = rewriter.sole_producer(power)
        if mean is None or mean.op != "reduce_mean" or not mean.attrs["keepdims"]:
            continue
        squared = rewriter.sole_producer(mean.input(0))
        number = None if epsilon.constant is None or epsilon.constant.size != 1 else epsilon.constant
        if squared is not None and number is not None and _is_square(squared):
            return squared.input(0), tuple(mean.attrs["axes"]), float(number.numpy().reshape(()))
    return None


def _is_square(node: Node) -> bool:
    """Whether it computes ``x^2``."""
    if node.op == "square":
        return True
    if node.op == "mul":
        return node.input(0) is node.input(1) and node.attrs["activation"] == "none"
    exponent = node.input(1).constant if node.op == "pow" else None
    return exponent is not None and exponent.size == 1 and float(exponent.numpy().reshape(())) == 2


def _scaled(node: Node, rewriter: Rewriter) -> Value | None:
    """A constant of the axes' shape that the normalized tensor, which has no scale yet, is multiplied by."""
    if node.attrs["activation"] != "none":
        return None
    for normal, gamma in ((node.input(0), node.input(1)), (node.input(1), node.input(0))):
        norm = rewriter.sole_producer(normal)
        if norm is None or norm.op != "rms_norm" or any(norm.inputs[1:]):
            continue
        scale = _along(norm, gamma, rewriter)
        if scale is not None:
            return rewriter.builder.op("rms_norm", norm.input(0), scale, **norm.attrs)
    return None


def _along(norm: Node, gamma: Value, rewriter: Rewriter) -> Value | None:
    """``gamma`` in the shape of the axes, where it has their lengths and is 1 long elsewhere."""
    x, axes = norm.input(0), norm.attrs["axes"]
    lead = x.rank - gamma.rank
    wanted = [dim if axis in axes else 1 for axis, dim in enumerate(x.shape)][max(lead, 0) :]
    if gamma.constant is None or lead < 0 or lead > axes[0] or list(gamma.shape) != wanted:
        return None
    shape = tuple(int(str(x.shape[axis])) for axis in axes)
    if gamma.shape == shape:
        return gamma
    flat = gamma.constant.map(lambda array: np.reshape(array, shape), shape=shape, same_elements=True)
    return rewriter.builder.constant(flat, name="scale")
