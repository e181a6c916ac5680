"""weight.bin: the large constants, one after the other.

The layout is MILBlob's storage format 2 (mlmodel/src/MILBlob/Blob/StorageFormat.hpp in coremltools, 9.0), little-endian: a header of
64 bytes, ``<II`` the number of records and 2; then for each constant, at multiples of 64, a record of 64 bytes, ``<IIQQQ`` the mark
0xDEADBEEF, the dtype, the contents' size and offset, and the bits that pad their end; then the contents.
"""

from __future__ import annotations

import hashlib
import struct
from typing import BinaryIO, Final

from kexport_targets.coreml.schema import BLOB_TYPES
from kexport_targets.coreml.write.storage import Stored

ALIGNMENT: Final = 64
MARK: Final = 0xDEADBEEF
VERSION: Final = 2


class WeightFile:
    """Writes tensors into a file that is open for writing. Equal ones stand once."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._offsets: dict[tuple[str, bytes], int] = {}
        self._file.write(bytes(ALIGNMENT))

    def add(self, stored: Stored) -> int:
        """Where the record of a tensor stands, which is written unless an equal one was."""
        contents = stored.contents
        key = (stored.dtype, hashlib.sha256(contents).digest())
        if key not in self._offsets:
            self._align()
            self._offsets[key] = offset = self._file.tell()
            padding = 8 * len(contents) - stored.bits
            record = struct.pack(
                "<IIQQQ", MARK, BLOB_TYPES[stored.dtype], len(contents), offset + ALIGNMENT, padding
            )
            self._file.write(record.ljust(ALIGNMENT, b"\0"))
            self._file.write(contents)
        return self._offsets[key]

    def close(self) -> None:
        """Write the header, which says how many there are."""
        self._file.seek(0)
        self._file.write(struct.pack("<II", len(self._offsets), VERSION))

    def _align(self) -> None:
        self._file.write(bytes(-self._file.tell() % ALIGNMENT))
