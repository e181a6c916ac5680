"""Attention. Source: coremltools 9.0, mil/ops/defs/iOS18/transformers.py."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kexport_runtimes.coreml.ops.activations import softmax
from kexport_runtimes.coreml.registry import op
from kexport_runtimes.coreml.values import checked_size

Array = NDArray[Any]


@op("scaled_dot_product_attention", since="iOS18")
def scaled_dot_product_attention(
    query: Array, key: Array, value: Array, attn_mask: Array | None = None
) -> Any:
    """softmax(query keyᵀ / √width + mask) value; a mask of truth values keeps what is true."""
    checked_size([*query.shape[:-1], key.shape[-2]])
    weights = np.matmul(query, np.swapaxes(key, -1, -2)) / np.float32(np.sqrt(query.shape[-1]))
    if attn_mask is not None:
        if attn_mask.dtype == bool:
            weights = np.where(attn_mask, weights, np.float32(-np.inf))
        else:
            weights = weights + attn_mask
    return np.matmul(softmax(weights), value)
