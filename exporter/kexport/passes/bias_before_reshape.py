"""Makes an addition after a reshape the bias of the dense layer before it."""

from __future__ import annotations

import math

import numpy as np

from kexport.ir import Graph, Node, Value
from kexport.passes.infrastructure import as_pass
from kexport.passes.rewriting import Rewriter


@as_pass("bias_before_reshape")
def bias_before_reshape(graph: Graph) -> bool:
    """Let a dense layer add the constant that is added once its features are taken apart (the heads of attention).

    Given::

        d = dense(x, kernel, none)  # (rows, heads * size)
        r = reshape(d, (batch, time, heads, size))
        return add(r, bias)  # bias: (heads, size)

    Result::

        d = dense(x, kernel, bias')                 # (heads * size,)
        return reshape(d, (batch, time, heads, size))
    """
    return Rewriter(graph).run(_rule)


def _rule(node: Node, rewriter: Rewriter) -> list[Value] | None:
    if node.op != "add" or node.attrs["activation"] != "none":
        return None
    for seen, added in (node.inputs, reversed(node.inputs)):
        assert seen is not None
        assert added is not None
        reshape = rewriter.sole_producer(seen)
        dense = (
            None if reshape is None or reshape.op != "reshape" else rewriter.sole_producer(reshape.input(0))
        )
        if dense is None or not _fits(dense, seen, added):
            continue
        assert added.constant is not None
        size = math.prod(added.constant.shape)
        bias = rewriter.builder.constant(
            added.constant.map(lambda array: np.reshape(array, -1), shape=(size,), same_elements=True),
            name="bias",
        )
        made = rewriter.builder.op("dense", dense.input(0), dense.input(1), bias, **dense.attrs)
        return [rewriter.builder.op("reshape", made, shape=seen.shape)]
    return None


def _fits(dense: Node, seen: Value, added: Value) -> bool:
    """Whether ``added`` is a constant over just those last dimensions that the features became."""
    plain = dense.op == "dense" and not any(dense.inputs[2:]) and dense.attrs["activation"] == "none"
    if not plain or added.constant is None or not 1 < added.rank < seen.rank:
        return False
    return (
        seen.shape[-added.rank :] == added.shape and math.prod(added.constant.shape) == dense.output.shape[-1]
    )
