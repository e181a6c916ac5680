"""Compressed weights, expanded. Source: coremltools 9.0, mil/ops/defs/iOS16/constexpr_ops.py and iOS18/compression.py.

All are computed once, whatever the inputs are.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kexport_runtimes.coreml import dtypes
from kexport_runtimes.coreml.errors import ComputeError
from kexport_runtimes.coreml.ops.arguments import axis_of, ints
from kexport_runtimes.coreml.ops.quantization import affine
from kexport_runtimes.coreml.registry import op
from kexport_runtimes.coreml.values import checked_size

Array = NDArray[Any]


@op("constexpr_affine_dequantize", since="iOS16")
def affine_dequantize(quantized_data: Array, zero_point: Array, scale: Array, axis: Any) -> Array:
    """scale (data - zero_point), the two for all or along an axis."""
    return affine(quantized_data, scale, zero_point, axis)


@op("constexpr_cast", since="iOS16")
def cast(source_val: Array, output_dtype: str) -> Array:
    """Stored in fp16, used in fp32."""
    return source_val.astype(dtypes.by_name(output_dtype).numpy)


@op("constexpr_lut_to_dense", since="iOS16")
def packed_palette(indices: Array, lut: Array, shape: Any) -> Array:
    """A palette's entries at indices that are packed into bytes, from the least significant bit on."""
    sizes = checked_size(ints(shape))
    bits = len(lut).bit_length() - 1
    if lut.ndim != 1 or len(lut) != 1 << bits or not 1 <= bits <= 8 or 8 % bits == 5:
        raise ComputeError(f"takes a palette of 2, 4, 16, 64 or 256 entries. Received: {lut.shape}")
    unpacked = _bits(indices, math.prod(sizes) * bits).reshape(-1, bits)
    positions = np.packbits(unpacked, axis=-1, bitorder="little").reshape(sizes)
    entries: Array = lut[positions]
    return entries


@op("constexpr_sparse_to_dense", since="iOS16")
def packed_sparse(nonzero_data: Array, mask: Array, shape: Any) -> Array:
    """Values where a mask, packed into bytes, has ones; 0 elsewhere."""
    sizes = checked_size(ints(shape))
    return sparse_to_dense(nonzero_data, _bits(mask, math.prod(sizes)).reshape(sizes))


def _bits(packed: Array, count: int) -> Array:
    data = np.ascontiguousarray(packed).view(np.uint8)
    if data.size * 8 < count:
        raise ComputeError(f"takes {count} bits. Received: {data.size} bytes")
    return np.unpackbits(data, count=count, bitorder="little")


@op("constexpr_sparse_to_dense", since="iOS18")
def sparse_to_dense(nonzero_data: Array, mask: Array) -> Array:
    """Values where the mask has ones, in order; 0 elsewhere."""
    ones = int(np.count_nonzero(mask))
    if ones != nonzero_data.size:
        raise ComputeError(
            f"takes as many values as the mask has ones, {ones}. Received: {nonzero_data.size}"
        )
    dense = np.zeros(mask.shape, nonzero_data.dtype)
    dense[mask != 0] = nonzero_data
    return dense


@op("constexpr_lut_to_dense", since="iOS18")
def palette(indices: Array, lut: Array, vector_axis: Any = None) -> Array:
    """Entries of palettes: lut (*blocks, entries, width), each block of indices with a palette of its own.

    Entries of a width above 1 stand along ``vector_axis``.
    """
    rank = indices.ndim
    if lut.ndim != rank + 2 or any(
        size % blocks for size, blocks in zip(indices.shape, lut.shape, strict=False)
    ):
        raise ComputeError(f"takes palettes for blocks of {indices.shape}. Received: {lut.shape}")
    if indices.size and int(indices.max()) >= lut.shape[-2]:
        raise ComputeError(f"takes indices below {lut.shape[-2]}. Received: {int(indices.max())}")
    block = np.ix_(
        *(np.arange(size) // (size // blocks) for size, blocks in zip(indices.shape, lut.shape, strict=False))
    )
    vectors = lut[(*block, indices)]
    width = lut.shape[-1]
    if width == 1:
        scalars: Array = vectors[..., 0]
        return scalars
    if vector_axis is None:
        raise ComputeError("takes a vector_axis with entries wider than 1.")
    at = axis_of(vector_axis, rank)
    moved = np.moveaxis(vectors, -1, at + 1)
    shape = list(indices.shape)
    shape[at] *= width
    spread: Array = moved.reshape(shape)
    return spread


@op("constexpr_blockwise_shift_scale", since="iOS18")
def blockwise(data: Array, scale: Array, offset: Array | None = None) -> Array:
    """scale (data - offset), where each of these belongs to a block of the data."""
    wide = data.astype(np.float32)
    if offset is not None:
        wide = wide - _spread(offset, data).astype(np.float32)
    result: Array = wide * _spread(scale, data)
    return result


def _spread(values: Array, data: Array) -> Array:
    """A value for each element of the data, from one for each block."""
    if values.ndim != data.ndim or any(
        not blocks or size % blocks for size, blocks in zip(data.shape, values.shape, strict=True)
    ):
        raise ComputeError(f"takes a value for each block of {data.shape}. Received: {values.shape}")
    for axis, (size, blocks) in enumerate(zip(data.shape, values.shape, strict=True)):
        if 1 < blocks < size:
            values = np.repeat(values, size // blocks, axis)
    return values


@op("constexpr_lut_to_sparse", since="iOS18")
def palette_of_sparse(
    indices_mask: Array, indices_nonzero_data: Array, lut: Array, vector_axis: Any = None
) -> tuple[Array, Array]:
    """A palette's entries at the places of a mask: the mask, widened with the entries, and the entries in order."""
    dense = palette(sparse_to_dense(indices_nonzero_data, indices_mask), lut, vector_axis)
    mask = indices_mask
    if lut.shape[-1] > 1:
        mask = np.repeat(mask, lut.shape[-1], axis=axis_of(vector_axis, mask.ndim))
    return mask, dense[mask != 0]


@op("constexpr_sparse_blockwise_shift_scale", since="iOS18")
def blockwise_of_sparse(
    data_mask: Array, nonzero_data: Array, scale: Array, offset: Array | None = None
) -> tuple[Array, Array]:
    """:func:`blockwise` at the places of a mask: the mask, and the values in order."""
    dense = blockwise(sparse_to_dense(nonzero_data, data_mask), scale, offset)
    return data_mask, dense[data_mask != 0]
