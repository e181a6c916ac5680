"""Ops that move elements about and compute none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kexport.ir import dims
from kexport.ir.dims import Dim
from kexport.ir.graph import Array, Attrs, TensorType
from kexport.ir.ops._registry import REQUIRED, Inputs, OpError, op, required


def contiguous(x: Array) -> Array:
    """``x`` laid out row by row; of rank 0 too (``np.ascontiguousarray`` makes that rank 1)."""
    return np.asarray(x, order="C")


def _reshape_type(inputs: Inputs, attrs: Attrs) -> list[TensorType]:
    x, shape = required(inputs, 0), tuple(attrs["shape"])
    if dims.is_static(x.shape) and dims.is_static(shape) and dims.product(x.shape) != dims.product(shape):
        raise OpError(f"{dims.format_shape(x.shape)} can't be reshaped to {dims.format_shape(shape)}.")
    return [TensorType(x.dtype, shape)]


@op("reshape", infer=_reshape_type, attrs={"shape": REQUIRED})
def reshape(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """``x`` with the dimensions ``shape`` (integers and symbolic dimensions), elements in row-major order."""
    (x,) = inputs
    wanted = [dim if isinstance(dim, int) else -1 for dim in attrs["shape"]]
    if wanted.count(-1) > 1:
        raise OpError("With more than one symbolic dimension a reshape must be bound before it is computed.")
    return [np.reshape(x, wanted)]


def _expand_type(inputs: Inputs, attrs: Attrs) -> list[TensorType]:
    x = required(inputs, 0)
    rank = x.rank + len(attrs["axes"])
    if sorted(set(attrs["axes"])) != list(attrs["axes"]) or not all(
        0 <= axis < rank for axis in attrs["axes"]
    ):
        raise OpError(f"axes are ascending and within 0..{rank - 1}. Received: {attrs['axes']}")
    rest = iter(x.shape)
    return [TensorType(x.dtype, tuple(1 if axis in attrs["axes"] else next(rest) for axis in range(rank)))]


@op("expand_dims", infer=_expand_type, attrs={"axes": REQUIRED})
def expand_dims(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """``x`` with new dimensions of 1 at ``axes`` (ascending, positions in the result)."""
    return [np.expand_dims(inputs[0], tuple(attrs["axes"]))]


def _squeeze_type(inputs: Inputs, attrs: Attrs) -> list[TensorType]:
    x = required(inputs, 0)
    if any(x.shape[axis] != 1 for axis in attrs["axes"]):
        raise OpError(f"Only dimensions of 1 are squeezed. Received: {attrs['axes']} of {x.type}")
    return [TensorType(x.dtype, tuple(dim for axis, dim in enumerate(x.shape) if axis not in attrs["axes"]))]


@op("squeeze", infer=_squeeze_type, attrs={"axes": REQUIRED})
def squeeze(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """``x`` without its dimensions ``axes``, each of them 1."""
    return [np.squeeze(inputs[0], tuple(attrs["axes"]))]


def _transpose_type(inputs: Inputs, attrs: Attrs) -> list[TensorType]:
    x = required(inputs, 0)
    if sorted(attrs["perm"]) != list(range(x.rank)):
        raise OpError(f"perm is a permutation of 0..{x.rank - 1}. Received: {attrs['perm']}")
    return [TensorType(x.dtype, tuple(x.shape[axis] for axis in attrs["perm"]))]


@op("transpose", infer=_transpose_type, attrs={"perm": REQUIRED})
def transpose(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """``result.shape[i] == x.shape[perm[i]]``."""
    return [np.transpose(inputs[0], attrs["perm"])]


def _concat_type(inputs: Inputs, attrs: Attrs) -> list[TensorType]:
    values = [required(inputs, index) for index in range(len(inputs))]
    first, axis = values[0], attrs["axis"]
    if not 0 <= axis < first.rank:
        raise OpError(f"axis is within 0..{first.rank - 1}. Received: {axis}")
    total: Dim = 0
    shape = list(first.shape)
    for value in values:
        if value.dtype != first.dtype or value.rank != first.rank:
            raise OpError(f"concat takes one dtype and rank. Received: {first!r} and {value!r}")
        for index, dim in enumerate(value.shape):
            if index == axis or dim == shape[index]:
                continue
            if isinstance(dim, int) and isinstance(shape[index], int):
                raise OpError(f"concat along {axis}: {first!r} and {value!r} differ in dimension {index}.")
            shape[index] = dim if isinstance(dim, int) else shape[index]
        total = dims.add(total, value.shape[axis])
    shape[axis] = total
    return [TensorType(first.dtype, tuple(shape))]


@op("concat", infer=_concat_type, attrs={"axis": REQUIRED})
def concat(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """The inputs one after the other along ``axis`` (not negative)."""
    return [np.concatenate(inputs, axis=attrs["axis"])]


def _split_type(inputs: Inputs, attrs: Attrs) -> list[TensorType]:
    x, axis = required(inputs, 0), attrs["axis"]
    if sum(attrs["sizes"]) != x.shape[axis]:
        raise OpError(f"sizes add up to {x.shape[axis]}. Received: {attrs['sizes']}")
    return [TensorType(x.dtype, (*x.shape[:axis], size, *x.shape[axis + 1 :])) for size in attrs["sizes"]]


@op("split", infer=_split_type, attrs={"axis": REQUIRED, "sizes": REQUIRED})
def split(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """``x`` cut along ``axis`` into pieces of ``sizes``, an output each."""
    return list(np.split(inputs[0], np.cumsum(attrs["sizes"])[:-1], axis=attrs["axis"]))


def _slice_type(inputs: Inputs, attrs: Attrs) -> list[TensorType]:
    x = required(inputs, 0)
    if not len(attrs["begin"]) == len(attrs["end"]) == len(attrs["strides"]) == x.rank:
        raise OpError(f"begin, end and strides have {x.rank} entries. Received: {dict(attrs)}")
    entries = zip(x.shape, attrs["begin"], attrs["end"], attrs["strides"], strict=True)
    return [TensorType(x.dtype, tuple(_slice_dim(*entry) for entry in entries))]


def _slice_dim(dim: Dim, begin: int, end: int | None, stride: int) -> Dim:
    if stride < 1:
        raise OpError(f"strides are positive (reverse turns a tensor round). Received: {stride}")
    if isinstance(dim, int):
        return len(range(dim)[begin:end:stride])
    start: Dim = begin if begin >= 0 else dims.add(dim, begin)
    stop: Dim = dim if end is None else end if end >= 0 else dims.add(dim, end)
    return dims.ceil_div(dims.subtract(stop, start), stride)


@op("slice", infer=_slice_type, attrs={"begin": REQUIRED, "end": REQUIRED, "strides": REQUIRED})
def slice_(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """``x[begin:end:strides]`` in each dimension, as Python slices: a negative bound counts from the end, an end
    of None is the end; strides are positive."""
    (x,) = inputs
    entries = zip(attrs["begin"], attrs["end"], attrs["strides"], strict=True)
    return [contiguous(x[tuple(slice(*entry) for entry in entries)])]


PAD_MODES = {"constant": "constant", "reflect": "reflect", "symmetric": "symmetric"}


def _pad_type(inputs: Inputs, attrs: Attrs) -> list[TensorType]:
    x = required(inputs, 0)
    if len(attrs["pads"]) != x.rank or attrs["mode"] not in PAD_MODES:
        raise OpError(
            f"pads has {x.rank} pairs and mode is one of {list(PAD_MODES)}. Received: {dict(attrs)}"
        )
    if any(low < 0 or high < 0 for low, high in attrs["pads"]):
        raise OpError(f"pads are not negative. Received: {attrs['pads']}")
    shape = (dims.add(dim, low + high) for dim, (low, high) in zip(x.shape, attrs["pads"], strict=True))
    return [TensorType(x.dtype, tuple(shape))]


@op("pad", infer=_pad_type, attrs={"pads": REQUIRED, "mode": "constant", "value": 0.0})
def pad(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """``x`` with ``pads`` ((before, after) a dimension) elements added: ``value``, or mirrored without
    (``reflect``) or with (``symmetric``) the edge."""
    (x,) = inputs
    if attrs["mode"] == "constant":
        return [np.pad(x, attrs["pads"], constant_values=attrs["value"])]
    return [np.pad(x, attrs["pads"], mode=attrs["mode"])]


def _tile_type(inputs: Inputs, attrs: Attrs) -> list[TensorType]:
    x = required(inputs, 0)
    if len(attrs["multiples"]) != x.rank:
        raise OpError(f"multiples has {x.rank} entries. Received: {attrs['multiples']}")
    shape = (dims.multiply(dim, times) for dim, times in zip(x.shape, attrs["multiples"], strict=True))
    return [TensorType(x.dtype, tuple(shape))]


@op("tile", infer=_tile_type, attrs={"multiples": REQUIRED})
def tile(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """``x`` repeated ``multiples`` times along each dimension (integers)."""
    return [np.tile(inputs[0], attrs["multiples"])]


def _broadcast_to_type(inputs: Inputs, attrs: Attrs) -> list[TensorType]:
    x = required(inputs, 0)
    shape = tuple(attrs["shape"])
    tail = shape[len(shape) - x.rank :]
    if len(shape) < x.rank or any(
        a not in (1, b) and isinstance(a, int) for a, b in zip(x.shape, tail, strict=True)
    ):
        raise OpError(f"{x.type} does not broadcast to {dims.format_shape(shape)}.")
    return [TensorType(x.dtype, shape)]


@op("broadcast_to", infer=_broadcast_to_type, attrs={"shape": REQUIRED})
def broadcast_to(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """``x`` broadcast to ``shape``."""
    return [contiguous(np.broadcast_to(inputs[0], attrs["shape"]))]


def _same_type(inputs: Inputs, attrs: Attrs) -> list[TensorType]:
    return [required(inputs, 0).type]


@op("reverse", infer=_same_type, attrs={"axes": REQUIRED})
def reverse(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """``x`` turned round along ``axes``."""
    return [contiguous(np.flip(inputs[0], tuple(attrs["axes"])))]


def _shape_type(inputs: Inputs, attrs: Attrs) -> list[TensorType]:
    return [TensorType("int32", (required(inputs, 0).rank,))]


@op("shape", infer=_shape_type)
def shape(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """The lengths of the dimensions of ``x``: int32 (rank,)."""
    return [np.asarray(inputs[0].shape, np.int32)]
