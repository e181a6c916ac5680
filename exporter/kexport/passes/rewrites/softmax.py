"""Softmax and its logarithm over other axes than the last."""

from __future__ import annotations

from kexport.ir import Node, Value, dims
from kexport.passes.rewriting import Rewriter


def over_the_last_axis(node: Node, rewriter: Rewriter) -> Value | None:
    """Another axis is swapped with the last one, several become one there."""
    x, b, axis = node.input(0), rewriter.builder, node.attrs["axis"]
    last = x.rank - 1
    if isinstance(axis, tuple):
        return _of_several(node, axis, rewriter)
    if axis == last:
        return None
    # Swapping two axes is its own inverse.
    swap = tuple(last if i == axis else axis if i == last else i for i in range(x.rank))
    turned = b.op(node.op, b.op("transpose", x, perm=swap), axis=last)
    return b.op("transpose", turned, perm=swap)


def _of_several(node: Node, axes: tuple[int, ...], rewriter: Rewriter) -> Value:
    """The axes at the end, as one."""
    x, b = node.input(0), rewriter.builder
    kept = tuple(axis for axis in range(x.rank) if axis not in axes)
    perm = (*kept, *axes)
    turned = b.op("transpose", x, perm=perm)
    merged = dims.product(tuple(x.shape[axis] for axis in axes))
    flat = b.op("reshape", turned, shape=(*(x.shape[axis] for axis in kept), merged))
    result = b.op("reshape", b.op(node.op, flat, axis=len(kept)), shape=turned.shape)
    return b.op("transpose", result, perm=tuple(perm.index(axis) for axis in range(x.rank)))
