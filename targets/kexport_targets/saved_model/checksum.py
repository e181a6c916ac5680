"""CRC-32C (Castagnoli), the checksum of TensorFlow's record files and checkpoints, in NumPy's speed.

A byte at a time takes Python minutes for a large model. A checksum is what is left of the data, a polynomial over two elements, by the
polynomial P; so the data may be changed by multiples of P. First the bulk of it is folded: x^5321 + x^3574 + x^2491 + 1 is a multiple of P,
and so is its square, which has the same few terms, and the square of that. With exponents times the bits of a block, it says of blocks: a
block is as good as its sum into those that stand 5321 - 3574, 5321 - 2491 and 5321 blocks after it. What is left, some ten thousand bytes,
is taken as rows of a matrix, whose checksums are computed all at once, column by column, and then joined, two by two.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint32]

#: iSCSI's polynomial without x^32 (RFC 3720, section 12.1), its bits in the order that CRCs are computed in: the lowest is x^31.
_POLYNOMIAL: Final = 0x82F63B78

#: The exponents of a multiple of it that has four terms, found by a search: no one of them is of a lower degree than 5275, and of the first
#: few, this one's two highest are far apart, so that many blocks go at once.
_EXPONENTS: Final = (5321, 3574, 2491, 0)
_DISTANCES: Final = tuple(_EXPONENTS[0] - lower for lower in _EXPONENTS[1:])
_AT_ONCE: Final = min(_DISTANCES)

#: Bytes of a block, powers of two: first so many that NumPy is busy, then as few as a word has.
_BLOCKS: Final = (64, 8)

#: Bytes of a row.
_ROW: Final = 16

#: ``kMaskDelta`` (tensorflow/core/lib/hash/crc32c.h): checksums are stored masked, as they would be of no use over data that holds some.
_MASK: Final = 0xA282EAD8


def _table() -> tuple[int, ...]:
    found = []
    for number in range(256):
        rest = number
        for _ in range(8):
            rest = rest >> 1 ^ (_POLYNOMIAL if rest & 1 else 0)
        found.append(rest)
    return tuple(found)


_TABLE: Final = _table()
_TABLE_ARRAY: Final = np.array(_TABLE, np.uint32)


def crc32c(data: bytes | memoryview) -> int:
    """The checksum of ``data``."""
    state = 0xFFFFFFFF
    if len(data) > 32 * _ROW:
        # What the state adds to the first four bytes: after that, it starts at zero, and zeros may stand before the data.
        left = np.frombuffer(data, np.uint8).copy()
        left[:4] ^= np.uint8(0xFF)
        return _of_rows(_folded(left)) ^ 0xFFFFFFFF
    for byte in data:
        state = _TABLE[(state ^ byte) & 0xFF] ^ state >> 8
    return state ^ 0xFFFFFFFF


def masked(checksum: int) -> int:
    """A checksum as it is stored."""
    return ((checksum >> 15 | checksum << 17) + _MASK) & 0xFFFFFFFF


def _folded(left: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Fewer bytes that have the same checksum, from a state of zero. ``left`` is changed."""
    for block in _BLOCKS:
        left = _padded(left, block)
        count, words, width = len(left) // block, left.view(np.uint64), block // 8
        last = count - _EXPONENTS[0]
        if last <= 0:
            continue
        for start in range(0, last, _AT_ONCE):
            end = min(start + _AT_ONCE, last)
            source = words[start * width : end * width]
            for distance in _DISTANCES:
                words[(start + distance) * width : (end + distance) * width] ^= source
        left = left[last * block :]
    return left


def _padded(left: NDArray[np.uint8], block: int) -> NDArray[np.uint8]:
    """With zeros before it, whole blocks."""
    more = -len(left) % block
    return np.concatenate([np.zeros(more, np.uint8), left]) if more else left


def _of_rows(left: NDArray[np.uint8]) -> int:
    """The checksum of bytes from a state of zero."""
    rows = 1 << (-(-len(left) // _ROW) - 1).bit_length()
    columns = _padded(left, rows * _ROW).reshape(rows, _ROW).T
    states: Words = np.zeros(rows, np.uint32)
    for column in columns:
        states = _TABLE_ARRAY[(states ^ column) & np.uint32(0xFF)] ^ states >> np.uint32(8)
    size = _ROW
    while len(states) > 1:
        before, after = states[::2], states[1::2]
        states = _moved(before, size) ^ after
        size *= 2
    return int(states[0])


def _moved(states: Words, size: int) -> Words:
    """States after so many bytes of zero more."""
    made: Words = np.zeros_like(states)
    for place, table in enumerate(_moves(size)):
        made ^= table[states >> np.uint32(8 * place) & np.uint32(0xFF)]
    return made


@lru_cache(maxsize=32)
def _moves(size: int) -> tuple[Words, ...]:
    """For each byte of a state, what becomes of its values after ``size`` bytes of zero, a power of two."""
    values = np.arange(256, dtype=np.uint32)
    tables = [values << np.uint32(8 * place) for place in range(4)]
    if size > 1:
        return tuple(_moved(_moved(table, size // 2), size // 2) for table in tables)
    return tuple(_TABLE_ARRAY[table & np.uint32(0xFF)] ^ table >> np.uint32(8) for table in tables)
