"""Attention of heads, as one op."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kexport.ir.graph import Array, Attrs, TensorType
from kexport.ir.ops._registry import REQUIRED, Inputs, OpError, op, optional, required
from kexport.ir.ops.elementwise import broadcast_shapes


def _attention_type(inputs: Inputs, attrs: Attrs) -> list[TensorType]:
    query, key, value = (required(inputs, index) for index in range(3))
    heads, shared = attrs["heads"], attrs["shared_heads"]
    widths = [tensor.shape[-1] if tensor.rank == 3 else None for tensor in (query, key, value)]
    if not all(isinstance(width, int) for width in widths):
        raise OpError(
            f"Query, key and value are (batch, time, heads * size). Received: {query!r}, {key!r}, {value!r}"
        )
    wide, narrow, values = (int(str(width)) for width in widths)
    fits = wide % heads == 0 and heads % shared == 0 and values % shared == 0
    if not fits or wide // heads * shared != narrow:
        raise OpError(
            f"{heads} heads share {shared} of key and value. Received: {query!r}, {key!r}, {value!r}"
        )
    mask = optional(inputs, 3)
    if mask is not None:
        scores = (query.shape[0], heads, query.shape[1], key.shape[1])
        if mask.dtype not in ("bool", query.dtype) or broadcast_shapes(mask.shape, scores) != scores:
            raise OpError(f"The mask broadcasts to the scores {scores}. Received: {mask!r}")
    return [TensorType(query.dtype, (*query.shape[:2], values // shared * heads))]


@op(
    "attention",
    infer=_attention_type,
    attrs={"heads": REQUIRED, "shared_heads": REQUIRED, "scale": REQUIRED, "causal": False},
)
def attention(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """``(query, key, value, mask?)``: ``softmax(query key^T * scale) value`` of each head.

    Query is (batch, rows, heads * size), key (batch, columns, shared_heads * size), value (batch, columns, shared_heads * value
    size), the result (batch, rows, heads * value size); ``heads / shared_heads`` heads, one after the other, share one of key and
    value. The mask broadcasts to the scores (batch, heads, rows, columns). One of floats is added to them. Of one of bools, what is
    False has no weight, and a row without any True is 0. With ``causal``, column j has a weight for row i where j <= i only.
    """
    heads, shared = attrs["heads"], attrs["shared_heads"]
    query = _apart(inputs[0], heads)
    key, value = (np.repeat(_apart(tensor, shared), heads // shared, axis=1) for tensor in inputs[1:3])
    mask = optional(inputs, 3)
    scores = np.matmul(query, np.swapaxes(key, -1, -2)) * np.asarray(attrs["scale"], query.dtype)
    counts: Array = np.tri(*scores.shape[-2:]) > 0 if attrs["causal"] else np.ones((), dtype=bool)
    if mask is not None and mask.dtype == bool:
        counts = counts & mask
    elif mask is not None:
        scores = scores + mask
    scores = np.where(counts, scores, -np.inf)
    highest = scores.max(axis=-1, keepdims=True)
    raised = np.exp(scores - np.where(np.isfinite(highest), highest, 0))
    total = raised.sum(axis=-1, keepdims=True)
    result = np.matmul(raised / np.where(total == 0, 1, total), value)
    flat = np.swapaxes(result, 1, 2).reshape(*inputs[0].shape[:2], -1)
    return [flat.astype(inputs[0].dtype, copy=False)]


def _apart(tensor: Array, heads: int) -> Array:
    """(batch, time, heads * size) as (batch, heads, time, size)."""
    return np.swapaxes(tensor.reshape(*tensor.shape[:2], heads, -1), 1, 2)
