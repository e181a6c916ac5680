"""Gathering by index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kexport.ir import dtypes
from kexport.ir.graph import Array, Attrs, TensorType
from kexport.ir.ops._registry import REQUIRED, Inputs, OpError, op, required


def _gather_type(inputs: Inputs, attrs: Attrs) -> list[TensorType]:
    table, indices = required(inputs, 0), required(inputs, 1)
    axis, batch = attrs["axis"], attrs["batch_dims"]
    if not 0 <= batch <= axis < table.rank or not dtypes.is_integer(indices.dtype):
        raise OpError(
            f"gather takes 0 <= batch_dims <= axis < rank and integers. Received: {dict(attrs)}, {indices!r}"
        )
    shape = (*table.shape[:axis], *indices.shape[batch:], *table.shape[axis + 1 :])
    return [TensorType(table.dtype, shape)]


@op("gather", infer=_gather_type, attrs={"axis": 0, "batch_dims": 0})
def gather(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """``(table, indices)``: slices of the table along ``axis`` at the indices, the first ``batch_dims`` dimensions
    of both going together; shape ``table[:axis] + indices[batch_dims:] + table[axis + 1:]``."""
    table, indices = inputs
    axis, batch = attrs["axis"], attrs["batch_dims"]
    if batch == 0:
        return [np.take(table, indices, axis=axis)]
    lead = table.shape[:batch]
    results = [np.take(table[where], indices[where], axis=axis - batch) for where in np.ndindex(*lead)]
    return [np.reshape(np.stack(results), (*lead, *results[0].shape))]


def _one_hot_type(inputs: Inputs, attrs: Attrs) -> list[TensorType]:
    indices = required(inputs, 0)
    return [TensorType(attrs["dtype"], (*indices.shape, attrs["depth"]))]


@op("one_hot", infer=_one_hot_type, attrs={"depth": REQUIRED, "dtype": "float32"})
def one_hot(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """1 at each index along a new last axis of length ``depth``, 0 elsewhere (all 0 for an index out of range)."""
    (indices,) = inputs
    return [
        (np.asarray(indices)[..., None] == np.arange(attrs["depth"])).astype(
            dtypes.numpy_dtype(attrs["dtype"])
        )
    ]


def _bincount_type(inputs: Inputs, attrs: Attrs) -> list[TensorType]:
    x = required(inputs, 0)
    if (
        x.rank != 2
        or x.dtype not in ("int32", "int64")
        or attrs["dtype"] not in ("int32", "int64", "float32")
    ):
        raise OpError(f"bincount takes integers (N, M). Received: {x!r}, dtype={attrs['dtype']!r}")
    return [TensorType(attrs["dtype"], (x.shape[0], attrs["depth"]))]


@op(
    "bincount",
    infer=_bincount_type,
    attrs={"depth": REQUIRED, "binary": False, "dtype": "float32"},
)
def bincount(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """How often each of the integers 0..depth - 1 stands in each row, (N, depth); with ``binary`` whether it does. Others count for
    nothing."""
    (x,) = inputs
    found = np.zeros((len(x), attrs["depth"]), dtypes.numpy_dtype(attrs["dtype"]))
    rows, columns = np.nonzero((x >= 0) & (x < attrs["depth"]))
    np.add.at(found, (rows, x[rows, columns]), 1)
    return [np.minimum(found, 1) if attrs["binary"] else found]
