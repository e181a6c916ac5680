"""The element types of MIL: their names, their codes in a program and in a weight file, and how they are held here.

Sources: enum ``DataType`` of mlmodel/format/MIL.proto (coremltools 9.0); ``BlobDataType`` of
mlmodel/src/MILBlob/Blob/BlobDataType.hpp (apple/coremltools at f391218).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kexport_runtimes.coreml.errors import PackageError

#: The name of the type of text.
STRING = "string"


@dataclass(frozen=True)
class DType:
    """An element type.

    Attributes:
        name: as MIL's ``cast`` spells it: ``fp16``, ``int32``, ``bool``, ``uint4``.
        code: in a program.
        blob: in a weight file; 0 where a weight file can't hold it.
        bits: of one element, packed.
        numpy: the NumPy type of its values here; fp16 is computed in float32, so that rounding is a choice.
    """

    name: str
    code: int
    blob: int
    bits: int
    numpy: str

    @property
    def is_float(self) -> bool:
        """Whether it is a floating-point type."""
        return self.numpy in {"float32", "float64"}


#: Every element type, by name.
DTYPES = {
    dtype.name: dtype
    for dtype in (
        DType("bool", 1, 0, 8, "bool"),
        DType(STRING, 2, 0, 0, "str"),
        DType("fp16", 10, 1, 16, "float32"),
        DType("fp32", 11, 2, 32, "float32"),
        DType("fp64", 12, 0, 64, "float64"),
        DType("int8", 21, 4, 8, "int8"),
        DType("int16", 22, 6, 16, "int16"),
        DType("int32", 23, 14, 32, "int32"),
        DType("int64", 24, 0, 64, "int64"),
        DType("int4", 25, 8, 4, "int8"),
        DType("uint8", 31, 3, 8, "uint8"),
        DType("uint16", 32, 7, 16, "uint16"),
        DType("uint32", 33, 15, 32, "uint32"),
        DType("uint64", 34, 0, 64, "uint64"),
        DType("uint4", 35, 11, 4, "uint8"),
        DType("uint2", 36, 10, 2, "uint8"),
        DType("uint1", 37, 9, 1, "uint8"),
        DType("uint6", 38, 13, 6, "uint8"),
        DType("uint3", 39, 12, 3, "uint8"),
    )
}

_BY_CODE = {dtype.code: dtype for dtype in DTYPES.values()}


def by_code(code: int) -> DType:
    """The type with that code in a program.

    Raises:
        PackageError: there is none, or it is one that the interpreter has not (bfloat16, the 8-bit floats).
    """
    if code not in _BY_CODE:
        raise PackageError(
            f"Element types are {', '.join(f'{dtype.name} ({dtype.code})' for dtype in DTYPES.values())}. Received: {code}"
        )
    return _BY_CODE[code]


def by_name(name: str) -> DType:
    """The type with that name, in MIL's spelling (``fp16``) or NumPy's (``float16``).

    Raises:
        PackageError: there is none.
    """
    name = {"float16": "fp16", "float32": "fp32", "float64": "fp64"}.get(name, name)
    if name not in DTYPES:
        raise PackageError(f"Element types are {', '.join(DTYPES)}. Received: {name!r}")
    return DTYPES[name]


def decode(dtype: DType, data: memoryview, count: int) -> NDArray[Any]:
    """Values from their packed little-endian bytes.

    Args:
        dtype: of the elements; those of less than 8 bits are packed from each byte's least significant bit on.
        data: at least as many bytes as ``count`` elements take.
        count: of elements.

    Returns:
        ``count`` elements of ``dtype.numpy``; without a copy where the stored type is that one.

    Raises:
        PackageError: there are fewer bytes.
    """
    needed = (count * dtype.bits + 7) // 8
    if len(data) < needed:
        raise PackageError(f"{count} elements of {dtype.name} take {needed} bytes. Received: {len(data)}")
    data = data[:needed]
    if dtype.bits < 8:
        return _unpack(dtype, data, count)
    if dtype.name == "fp16":
        return np.frombuffer(data, "<f2").astype(np.float32)
    if dtype.name == "bool":
        return np.frombuffer(data, np.uint8).astype(bool)
    return np.frombuffer(data, np.dtype(dtype.numpy).newbyteorder("<"))


def _unpack(dtype: DType, data: memoryview, count: int) -> NDArray[Any]:
    bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little", count=count * dtype.bits)
    values = np.packbits(bits.reshape(count, dtype.bits), axis=-1, bitorder="little").reshape(count)
    if dtype.name == "int4":
        signed: NDArray[Any] = (values ^ 8).astype(np.int8) - 8
        return signed
    return values
