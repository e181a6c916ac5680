"""How a constant stands in the package: as it is, or in fewer bits, which Core ML expands when it loads the model.

No number changes by that: what is expanded is bit for bit what was given. The operations that do it are of iOS16 and, with 4 bits and
other widths, of iOS18 (coremltools 9.0, converters/mil/mil/ops/defs/iOS16/constexpr_ops.py and iOS18/compression.py).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kexport.ir import Array, Constant

#: Of fewer elements, whole numbers cost more to expand than they save.
_LEAST_WHOLE: Final = 64

#: Nor is a palette made for fewer (coremltools' own ``weight_threshold``, optimize/coreml/_config.py, 9.0).
_LEAST_PALETTE: Final = 2048

#: Entries of the largest palette.
_MOST_ENTRIES: Final = 256

#: The bits of an index into a palette, before iOS18 and since.
_WIDTHS: Final = {16: (1, 2, 4, 6, 8), 18: (1, 2, 3, 4, 6, 8)}

#: Elements that are looked at first, and at a time; eight of them end at a byte whatever their width.
_SAMPLE, _BLOCK = 4096, 1 << 20

_Unsigned: TypeAlias = NDArray[np.unsignedinteger[Any]]


@dataclass(frozen=True)
class Stored:
    """A tensor as the file holds it.

    Attributes:
        dtype: of the program; ``int4`` and ``uint1`` to ``uint6``, too.
        shape: in elements.
        contents: the elements row by row, little-endian; those of fewer than 8 bits packed from each byte's lowest bit on.
    """

    dtype: str
    shape: tuple[int, ...]
    contents: bytes

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def bits(self) -> int:
        """Bits of the contents, without what fills the last byte."""
        width = re.fullmatch(r"u?int([1-6])", self.dtype)
        return self.size * int(width[1]) if width else 8 * len(self.contents)


@dataclass(frozen=True)
class Compressed:
    """A tensor that an operation makes of others."""

    op: str
    parameters: Mapping[str, Stored]


def stored(array: ArrayLike, dtype: str, shape: tuple[int, ...] | None = None) -> Stored:
    """An array, whose elements are as wide as the dtype says."""
    given = np.asarray(array)
    contents = given.astype(given.dtype.newbyteorder("<"), copy=False).tobytes()
    return Stored(dtype, given.shape if shape is None else shape, contents)


def storage(constant: Constant, version: int) -> Stored | Compressed:
    """How a constant is written for iOS ``version``; it is read once."""
    array = constant.numpy()
    if version >= 16 and constant.dtype in ("float16", "float32"):
        bits = {"int4": 4, "int8": 8, None: array.itemsize * 8}[constant.narrow]
        found = _palette(array, version) if array.size >= _LEAST_PALETTE and array.ndim > 1 else None
        if found is not None and found.bits < bits:
            return found.compressed(version)
        if constant.narrow is not None and array.size >= _LEAST_WHOLE:
            return _whole(array, constant.narrow, version)
    return stored(array, constant.dtype)


def _whole(array: Array, narrow: str, version: int) -> Compressed:
    """Whole numbers from -8 to 7 or of 8 bits. Before iOS18 the former are a palette of all 16."""
    levels = np.ascontiguousarray(array, np.int8)
    one = np.ones((), array.dtype)
    if version >= 18:
        flat = levels.view(np.uint8).reshape(-1)
        data = Stored(narrow, array.shape, _packed(flat, 4 if narrow == "int4" else 8))
        scale = stored(one.reshape((1,) * array.ndim), array.dtype.name)
        return Compressed("constexpr_blockwise_shift_scale", {"data": data, "scale": scale})
    if narrow == "int4":
        entries = np.arange(-8, 8).astype(array.dtype)
        return _Palette(4, entries, (levels + 8).view(np.uint8).reshape(-1), array.shape).compressed(version)
    return Compressed(
        "constexpr_affine_dequantize",
        {
            "quantized_data": stored(levels, "int8"),
            "zero_point": stored(np.int8(0), "int8"),
            "scale": stored(one, array.dtype.name),
            "axis": stored(np.int32(0), "int32"),
        },
    )


@dataclass(frozen=True)
class _Palette:
    """``entries[indices]`` in ``shape``; 2^bits entries, flat indices of uint8."""

    bits: int
    entries: Array
    indices: NDArray[np.uint8]
    shape: tuple[int, ...]

    def compressed(self, version: int) -> Compressed:
        packed = _packed(self.indices, self.bits)
        dtype = self.entries.dtype.name
        if version >= 18:
            entries = stored(self.entries, dtype, (1,) * len(self.shape) + (len(self.entries), 1))
            parameters = {"indices": Stored(f"uint{self.bits}", self.shape, packed), "lut": entries}
        else:
            parameters = {
                "indices": Stored("uint8", (len(packed),), packed),
                "lut": stored(self.entries, dtype),
                "shape": stored(np.asarray(self.shape, np.uint32), "uint32"),
            }
        return Compressed("constexpr_lut_to_dense", parameters)


def _palette(array: Array, version: int) -> _Palette | None:
    """The palette of an array of at most :data:`_MOST_ENTRIES` different numbers; numbers are different if a bit is."""
    flat: _Unsigned = np.ascontiguousarray(array).reshape(-1).view(f"u{array.itemsize}")
    values = _values(flat)
    if values is None:
        return None
    widths = _WIDTHS[18 if version >= 18 else 16]
    bits = next(width for width in widths if len(values) <= 1 << width)
    entries = np.zeros(1 << bits, values.dtype)
    entries[: len(values)] = values
    indices = np.empty(flat.size, np.uint8)
    for block in _blocks(flat.size):
        indices[block] = np.searchsorted(values, flat[block])
    return _Palette(bits, entries.view(array.dtype), indices, array.shape)


def _values(flat: _Unsigned) -> _Unsigned | None:
    """The different numbers, in order; None where there are too many. Most weights show that by a few of theirs."""
    values = np.unique(flat[:: max(1, flat.size // _SAMPLE)])
    for block in _blocks(flat.size):
        if len(values) > _MOST_ENTRIES:
            return None
        part = flat[block]
        places = np.minimum(np.searchsorted(values, part), len(values) - 1)
        values = np.union1d(values, part[values[places] != part])
    return values if len(values) <= _MOST_ENTRIES else None


def _blocks(size: int) -> Iterator[slice]:
    return (slice(start, start + _BLOCK) for start in range(0, size, _BLOCK))


def _packed(numbers: NDArray[np.uint8], bits: int) -> bytes:
    """The lowest ``bits`` of each number, one after the other from each byte's lowest bit on."""
    if bits == 8:
        return numbers.tobytes()
    parts = []
    for block in _blocks(numbers.size):
        each = np.unpackbits(numbers[block, None], axis=1, count=bits, bitorder="little")
        parts.append(np.packbits(each.reshape(-1), bitorder="little").tobytes())
    return b"".join(parts)
