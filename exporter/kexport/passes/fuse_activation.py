"""Lets the op before an activation compute it."""

from __future__ import annotations

from collections.abc import Collection

from kexport.ir import Graph, Node, Value
from kexport.ir.ops import get
from kexport.passes.infrastructure import Pass
from kexport.passes.rewriting import Rewriter

#: Activations as (minimum, maximum).
_BOUNDS = {(0.0, float("inf")): "relu", (0.0, 6.0): "relu6", (-1.0, 1.0): "relu_n1_to_1"}


def fusable_activation(node: Node) -> str | None:
    """The fused activation that computes what ``node`` does; None where there is none."""
    if node.op in ("relu", "relu6"):
        return node.op
    if node.op == "clip":
        return _BOUNDS.get((float(node.attrs["min"]), float(node.attrs["max"])))
    return None


def fuse_activation(
    ops: Collection[str], activations: Collection[str] = ("relu", "relu6", "relu_n1_to_1")
) -> Pass:
    """Fuse ``activations`` into the ``ops`` before them, where nothing else reads what is in between.

    Given::

        a = conv(x, kernel, bias)
        b = relu(a)

    Result::

        b = conv(x, kernel, bias; activation="relu")

    ``clip`` from 0, from 0 to 6 and from -1 to 1 count as relu, relu6 and relu_n1_to_1. The fused node keeps the
    origin of the op, the layer outputs that of the activation.

    Raises:
        ValueError: one of ``ops`` can carry no activation.
    """
    if wrong := [op for op in ops if "activation" not in get(op).attrs]:
        raise ValueError(f"Ops with an attribute `activation` can be fused into. Received: {wrong}")
    targets, allowed = frozenset(ops), frozenset(activations)

    def rule(node: Node, rewriter: Rewriter) -> list[Value] | None:
        activation = fusable_activation(node)
        if activation not in allowed:
            return None
        before = rewriter.sole_producer(node.input(0))
        if before is None or before.op not in targets or before.attrs["activation"] != "none":
            return None
        rewriter.builder.origin = before.origin
        return rewriter.builder.ops(before.op, *before.inputs, **{**before.attrs, "activation": activation})

    def apply(graph: Graph) -> bool:
        return Rewriter(graph).run(rule)

    return Pass("fuse_activation", apply)
