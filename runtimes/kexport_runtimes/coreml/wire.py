"""Reads protobuf's wire format, bounded: nothing is looked up beyond the bytes given, and nesting ends somewhere.

Sources: protobuf's "Encoding" page for the format. Which number is which field stands in :mod:`.program` and
:mod:`.description`, from mlmodel/format/*.proto of coremltools 9.0.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from kexport_runtimes.coreml.errors import PackageError

#: Messages within messages. Programs of coremltools stay below 30.
MAX_DEPTH = 100

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class Message:
    """One message: its fields by number, undecoded.

    Args:
        data: the message's bytes, and nothing else.
        depth: how many messages it lies in.

    Raises:
        PackageError: the bytes are no protobuf message, or it is nested deeper than :data:`MAX_DEPTH`.
    """

    __slots__ = ("_depth", "_fields")

    def __init__(self, data: memoryview, depth: int = 0) -> None:
        if depth > MAX_DEPTH:
            raise PackageError(f"Messages are nested at most {MAX_DEPTH} deep; these are deeper.")
        self._depth = depth
        self._fields: dict[int, list[int | memoryview]] = {}
        for number, value in _fields(data):
            self._fields.setdefault(number, []).append(value)

    def has(self, number: int) -> bool:
        """Whether the field is there."""
        return number in self._fields

    def first_of(self, numbers: tuple[int, ...]) -> int | None:
        """Which field of a oneof is set: the first of ``numbers`` that is there, or None."""
        return next((number for number in numbers if number in self._fields), None)

    def uint(self, number: int, default: int = 0) -> int:
        """An unsigned integer, an enumeration or a bool."""
        value = self._last(number)
        if value is None:
            return default
        if not isinstance(value, int):
            raise PackageError(f"Field {number} is a number. Received: {len(value)} bytes")
        return value

    def sint(self, number: int, default: int = 0) -> int:
        """An ``int32`` or ``int64``: two's complement in 64 bits."""
        return _signed(self.uint(number, default))

    def text(self, number: int) -> str:
        """A string; empty where it is missing."""
        texts = self.texts(number)
        return texts[-1] if texts else ""

    def texts(self, number: int) -> list[str]:
        """A repeated string."""
        try:
            return [str(value, "utf-8") for value in self._all(number)]
        except UnicodeDecodeError as error:
            raise PackageError(f"Field {number} is text in UTF-8. Received other bytes") from error

    def raw(self, number: int) -> memoryview:
        """The bytes of a field; none where it is missing."""
        values = self._all(number)
        return values[-1] if values else memoryview(b"")

    def message(self, number: int) -> Message:
        """A message; an empty one where it is missing."""
        return Message(self.raw(number), self._depth + 1)

    def messages(self, number: int) -> Iterator[Message]:
        """A repeated message."""
        return (Message(value, self._depth + 1) for value in self._all(number))

    def entries(self, number: int) -> Iterator[tuple[str, Message]]:
        """A map from strings to messages.

        Raises:
            PackageError: a key occurs twice.
        """
        seen = set()
        for entry in self.messages(number):
            key = entry.text(1)
            if key in seen:
                raise PackageError(f"A map has each key once. Received twice: {key!r}")
            seen.add(key)
            yield key, entry.message(2)

    def ints(self, number: int) -> list[int]:
        """A repeated ``int32``, ``int64``, ``uint64`` below 2⁶³, or bool; packed or not."""
        found: list[int] = []
        for value in self._fields.get(number, ()):
            if isinstance(value, int):
                found.append(_signed(value))
                continue
            at = 0
            while at < len(value):
                item, at = _varint(value, at)
                found.append(_signed(item))
        return found

    def floats(self, number: int) -> NDArray[np.float32]:
        """A repeated ``float``, packed or not."""
        return np.frombuffer(self._fixed(number, 4), "<f4").astype(np.float32)

    def doubles(self, number: int) -> NDArray[np.float64]:
        """A repeated ``double``, packed or not."""
        return np.frombuffer(self._fixed(number, 8), "<f8").astype(np.float64)

    def _fixed(self, number: int, width: int) -> bytes:
        parts = self._all(number)
        if any(len(part) % width for part in parts):
            raise PackageError(f"Field {number} holds numbers of {width} bytes. Received a part of one")
        return b"".join(parts)

    def _last(self, number: int) -> int | memoryview | None:
        values = self._fields.get(number)
        return values[-1] if values else None

    def _all(self, number: int) -> list[memoryview]:
        values = self._fields.get(number, ())
        found = [value for value in values if isinstance(value, memoryview)]
        if len(found) != len(values):
            raise PackageError(f"Field {number} is of bytes. Received: a number")
        return found


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    at, end = 0, len(data)
    while at < end:
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise PackageError("Fields are numbered from 1. Received: 0")
        if kind == _VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        if kind == _BYTES:
            size, at = _varint(data, at)
        elif kind in {_FIXED32, _FIXED64}:
            size = 4 if kind == _FIXED32 else 8
        else:
            raise PackageError(f"Field {number} is of wire type {kind}, which Core ML's messages don't have.")
        if size > end - at:
            raise PackageError(f"Field {number} goes {size - (end - at)} bytes beyond its message.")
        yield number, data[at : at + size]
        at += size


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """The number that begins at ``at``, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise PackageError("A number is cut off at the end of its message.")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
    raise PackageError("A number takes at most 10 bytes. Received a longer one")


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value
