"""Sorting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kexport.ir.graph import Array, Attrs, TensorType
from kexport.ir.ops._registry import REQUIRED, Inputs, OpError, op, required


def _top_k_type(inputs: Inputs, attrs: Attrs) -> list[TensorType]:
    x, k = required(inputs, 0), attrs["k"]
    if x.rank < 1 or k < 1 or (isinstance(x.shape[-1], int) and k > x.shape[-1]):
        raise OpError(f"top_k takes 1 to all of the last dimension's elements. Received: {k} of {x!r}")
    shape = (*x.shape[:-1], k)
    return [TensorType(x.dtype, shape), TensorType("int32", shape)]


@op("top_k", infer=_top_k_type, attrs={"k": REQUIRED})
def top_k(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """The ``k`` largest elements along the last axis, largest first, and their indices (int32): (..., n) to twice (..., k).

    Of equal elements the one with the lower index comes first.
    """
    (x,) = inputs
    # Turned round before and after, an ascending stable sort is a descending one that is stable from the front.
    last = x.shape[-1] - 1
    order = last - np.argsort(x[..., ::-1], axis=-1, kind="stable")[..., ::-1]
    indices = order[..., : attrs["k"]]
    return [np.take_along_axis(x, indices, axis=-1), indices.astype(np.int32)]
