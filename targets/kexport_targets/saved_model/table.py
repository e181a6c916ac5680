"""A sorted table of keys and values: LevelDB's, as TensorFlow reads it (tensorflow/core/lib/io/{table_builder,block_builder,format}.cc).

Blocks of entries, an empty block about them, an index of the blocks, and a footer that says where these two are. In an entry, a key
leaves out what it shares with the key before it.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final

from kexport_targets.saved_model.checksum import crc32c, masked
from kexport_targets.wire import varint

#: ``kTableMagicNumber``.
_MAGIC: Final = 0xDB4775248B80FB57

#: Two handles of two varints of up to 10 bytes.
_HANDLES: Final = 40

#: Bytes of entries after which a block ends, and entries after which one holds its key whole (``table_options.h``).
_BLOCK: Final = 4096
_RESTART: Final = 16

_UNCOMPRESSED: Final = b"\x00"


def write_table(file: BinaryIO, entries: Sequence[tuple[bytes, bytes]]) -> None:
    """Write keys and values; the keys are in the order of their bytes, and no two are the same."""
    out, index = _Out(file), _Block(restart=1)
    block = _Block(restart=_RESTART)
    for key, value in entries:
        block.add(key, value)
        if block.size >= _BLOCK:
            index.add(key, out.block(block))
            block = _Block(restart=_RESTART)
    if block.size:
        index.add(entries[-1][0], out.block(block))
    about = out.block(_Block(restart=_RESTART))
    handles = about + out.block(index)
    file.write(handles.ljust(_HANDLES, b"\x00") + struct.pack("<Q", _MAGIC))


class _Block:
    """Entries under construction; one in ``restart`` holds its key whole, and the block's end says where these are."""

    def __init__(self, restart: int) -> None:
        self._restart = restart
        self._entries = bytearray()
        self._starts = [0]
        self._since = 0
        self._last = b""

    @property
    def size(self) -> int:
        """Bytes of the entries."""
        return len(self._entries)

    def add(self, key: bytes, value: bytes) -> None:
        """Add an entry."""
        if self._since == self._restart:
            self._starts.append(self.size)
            self._since, self._last = 0, b""
        shared = 0
        while shared < min(len(key), len(self._last)) and key[shared] == self._last[shared]:
            shared += 1
        self._entries += varint(shared) + varint(len(key) - shared) + varint(len(value))
        self._entries += key[shared:] + value
        self._since, self._last = self._since + 1, key

    def contents(self) -> bytes:
        """The block's bytes."""
        ends = [*self._starts, len(self._starts)]
        return bytes(self._entries) + struct.pack(f"<{len(ends)}I", *ends)


@dataclass
class _Out:
    file: BinaryIO
    offset: int = 0

    def block(self, block: _Block) -> bytes:
        """Write a block; its handle, which says where it is."""
        contents = block.contents()
        handle = varint(self.offset) + varint(len(contents))
        checked = contents + _UNCOMPRESSED
        whole = checked + struct.pack("<I", masked(crc32c(checked)))
        self.file.write(whole)
        self.offset += len(whole)
        return handle
