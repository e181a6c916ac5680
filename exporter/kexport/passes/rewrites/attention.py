"""Attention spelled out."""

from __future__ import annotations

import numpy as np

from kexport.ir import Builder, Dim, Node, Value
from kexport.passes.rewriting import Rewriter


def attention(node: Node, rewriter: Rewriter) -> Value:
    """Heads apart, two products with a softmax between them, and heads together."""
    b, heads, shared = rewriter.builder, node.attrs["heads"], node.attrs["shared_heads"]
    query = _apart(b, node.input(0), heads, heads)
    key, value = (_apart(b, node.input(index), shared, heads) for index in (1, 2))
    scores = b.op("matmul", query, key, transpose_b=True)
    if node.attrs["scale"] != 1:
        scores = b.op("mul", scores, b.scalar(node.attrs["scale"], scores))
    mask = node.inputs[3] if len(node.inputs) > 3 else None
    if mask is not None and mask.dtype != "bool":
        scores, mask = b.op("add", scores, mask), None
    if node.attrs["causal"]:
        past = _past(b, scores.shape[2], scores.shape[3])
        mask = past if mask is None else b.op("logical_and", mask, past)
    if mask is not None:
        scores = b.op("select", mask, scores, b.scalar(_lowest(scores.dtype), scores))
    weights = b.op("softmax", scores, axis=3)
    if mask is not None:
        weights = b.op("select", mask, weights, b.scalar(0.0, weights))
    result = b.op("transpose", b.op("matmul", weights, value), perm=(0, 2, 1, 3))
    return b.op("reshape", result, shape=node.output.shape)


def _apart(b: Builder, x: Value, own: int, heads: int) -> Value:
    """(batch, time, own * size) as (batch, heads, time, size), each head as often as it is shared."""
    size = int(str(x.shape[-1])) // own
    split = b.op("reshape", x, shape=(*x.shape[:2], own, size))
    if own != heads:
        indices = np.repeat(np.arange(own), heads // own)
        split = b.op("gather", split, b.constant(indices, "int32", name="heads"), axis=2)
    return b.op("transpose", split, perm=(0, 2, 1, 3))


def _past(b: Builder, rows: Dim, columns: Dim) -> Value:
    """Bool (1, 1, rows, columns): column j counts for row i where j <= i."""
    if isinstance(rows, int) and isinstance(columns, int):
        return b.constant(np.tri(rows, columns, dtype=bool)[None, None], name="past")
    one = b.constant(np.ones((1, 1, 1, 1)), "int32", name="one")
    ones = b.op("broadcast_to", one, shape=(1, 1, rows, columns))
    return b.op("greater_equal", b.op("cumsum", ones, axis=2), b.op("cumsum", ones, axis=3))


def _lowest(dtype: str) -> float:
    """A number that a softmax makes 0 of beside any score."""
    return -3e4 if dtype == "float16" else -1e9
