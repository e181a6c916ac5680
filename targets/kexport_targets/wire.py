"""Protocol buffers' wire format (protobuf.dev/programming-guides/encoding): messages that are written as they are read.

A message is a list of pieces whose sizes are known, so that the length that stands before each one in the one around it is known
before its contents are: weights are read one at a time, when their turn comes.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final

_VARINT: Final = 0
_BYTES: Final = 2
_FIXED32: Final = 5

_WORD: Final = 1 << 64


@dataclass(frozen=True)
class Later:
    """``size`` bytes that ``read`` returns when they are asked for."""

    size: int
    read: Callable[[], bytes]


def varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first; a negative number as the 64 bits of its two's complement."""
    number %= _WORD
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)


class Message:
    """A message under construction; fields are given by their numbers, and written in the order that they are added in."""

    def __init__(self) -> None:
        self._pieces: list[bytes | Later] = []
        self.size = 0

    def integer(self, field: int, number: int) -> Message:
        """An int32, int64, bool or enum."""
        return self._add(varint(field << 3 | _VARINT) + varint(number))

    def float32(self, field: int, number: float) -> Message:
        """A float."""
        return self._add(varint(field << 3 | _FIXED32) + struct.pack("<f", number))

    def fixed32(self, field: int, number: int) -> Message:
        """A fixed32."""
        return self._add(varint(field << 3 | _FIXED32) + struct.pack("<I", number))

    def text(self, field: int, value: str | bytes) -> Message:
        """A string, or bytes."""
        data = value.encode() if isinstance(value, str) else value
        return self._add(self._head(field, len(data)) + data)

    def integers(self, field: int, numbers: Sequence[int]) -> Message:
        """A packed list of integers."""
        return self.text(field, b"".join(map(varint, numbers)))

    def message(self, field: int, inner: Message) -> Message:
        """A message inside, which is complete by now."""
        self._add(self._head(field, inner.size))
        self._pieces += inner._pieces
        self.size += inner.size
        return self

    def fields(self, encoded: bytes) -> Message:
        """Fields that another writer has encoded."""
        return self._add(encoded)

    def later(self, field: int, contents: Later) -> Message:
        """Bytes that are read when the message is written."""
        self._add(self._head(field, contents.size))
        self._pieces.append(contents)
        self.size += contents.size
        return self

    def write(self, file: BinaryIO) -> None:
        """Write all pieces.

        Raises:
            ValueError: contents have another size than was said.
        """
        for piece in self._pieces:
            data = piece if isinstance(piece, bytes) else piece.read()
            if isinstance(piece, Later) and len(data) != piece.size:
                raise ValueError(f"{piece.size} bytes were announced. Received: {len(data)}")
            file.write(data)

    def whole(self) -> bytes:
        """All pieces as one."""
        file = io.BytesIO()
        self.write(file)
        return file.getvalue()

    def _head(self, field: int, size: int) -> bytes:
        return varint(field << 3 | _BYTES) + varint(size)

    def _add(self, piece: bytes) -> Message:
        self._pieces.append(piece)
        self.size += len(piece)
        return self
