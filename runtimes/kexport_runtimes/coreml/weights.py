"""Weight files: blobs of constants, read where they lie.

The layout is ``storage_header`` and ``blob_metadata`` of mlmodel/src/MILBlob/Blob/StorageFormat.hpp (apple/coremltools
at 2e27bd6): a header of 64 bytes (count, version), then for each blob a record of 64 bytes, to which the program points,
and its data, both aligned to 64 bytes.
"""

from __future__ import annotations

import math
import mmap
import struct
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from kexport_runtimes.coreml import dtypes
from kexport_runtimes.coreml.errors import PackageError
from kexport_runtimes.coreml.paths import within
from kexport_runtimes.coreml.program import Blob, TensorType

#: How a program spells the folder of the .mlmodel, which its paths are relative to.
_ROOT = "@model_path/"

_HEADER = struct.Struct("<II")
_RECORD = struct.Struct("<IIQQ")
_RECORD_SIZE, _SENTINEL, _VERSION = 64, 0xDEADBEEF, 2


class WeightFiles:
    """The weight files beside a model. Files are opened when the first constant is asked for, and mapped, not read.

    Args:
        folder: of the .mlmodel file; no file outside it is opened.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, memoryview] = {}

    def read(self, blob: Blob, of: TensorType) -> NDArray[Any]:
        """A blob's values, as an array of the type's shape; read-only, and mapped where no conversion is needed.

        Raises:
            PackageError: the path leaves the folder, the file is no weight file, or the record is not one of the type.
        """
        if of.shape is None or None in of.shape:
            raise PackageError(f"A constant has a known shape. Received: {of}")
        shape = tuple(size for size in of.shape if size is not None)
        count = math.prod(shape)
        data = self._mapped(blob.file)
        if blob.offset + _RECORD_SIZE > len(data):
            raise PackageError(
                f"{blob.file} has {len(data)} bytes. Received: a constant's record at {blob.offset}"
            )
        sentinel, code, size, start = _RECORD.unpack_from(data, blob.offset)
        if sentinel != _SENTINEL:
            raise PackageError(
                f"A record in {blob.file} begins with {_SENTINEL:#x}. Received at {blob.offset}: {sentinel:#x}"
            )
        if code != of.dtype.blob:
            raise PackageError(
                f"{blob.file} at {blob.offset} holds blob type {code}. Received: a constant of {of}"
            )
        if start + size > len(data):
            raise PackageError(
                f"{blob.file} has {len(data)} bytes. Received: {size} bytes of data at {start}; it is cut off"
            )
        if size != (count * of.dtype.bits + 7) // 8:
            raise PackageError(
                f"{blob.file} at {blob.offset} holds {size} bytes. Received: a constant of {of}"
            )
        return dtypes.decode(of.dtype, data[start : start + size], count).reshape(shape)

    def _mapped(self, name: str) -> memoryview:
        if name not in self._files:
            self._files[name] = self._open(name)
        return self._files[name]

    def _open(self, name: str) -> memoryview:
        if not name.startswith(_ROOT):
            raise PackageError(f"Weight files are named {_ROOT}…. Received: {name!r}")
        path = within(self._folder, name.removeprefix(_ROOT))
        try:
            with path.open("rb") as file:
                data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        except (OSError, ValueError) as error:
            raise PackageError(f"The weight file {path} can't be read: {error}") from error
        if len(data) < _RECORD_SIZE:
            raise PackageError(f"A weight file begins with a header of 64 bytes. Received: {len(data)} bytes")
        version = _HEADER.unpack_from(data)[1]
        if version != _VERSION:
            raise PackageError(f"{path} is of storage version {_VERSION}. Received: {version}")
        return data
