"""CRC-32C (Castagnoli), the checksum of TensorFlow's record files and checkpoints, in NumPy's speed.

A byte at a time takes Python minutes for a large model. In the polynomials over two elements, squaring a sum squares its terms: with
P the checksum's polynomial, P(x)^(2^k) = P(x^(2^k)) is a multiple of P that has as few terms as P. It says of blocks what P says of bits:
a block is as good as its sum into those that stand 32 - i blocks after it, for each term x^i of P. That is a few exclusive-ors of whole
blocks, until 32 of them are left; these are taken as smaller blocks, and so on down to what is taken a byte at a time.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

#: iSCSI's polynomial without x^32 (RFC 3720, section 12.1), its bits in the order that CRCs are computed in: the lowest is x^31.
_POLYNOMIAL: Final = 0x82F63B78

#: For each of its terms x^i, how many blocks after a block it stands: 32 - i. None is less than 4, so that 4 blocks go at once.
_DISTANCES: Final = tuple(bit + 1 for bit in range(32) if _POLYNOMIAL >> bit & 1)
_AT_ONCE: Final = min(_DISTANCES)

#: Bytes of a block, from the largest: powers of two, each a 32nd of the one before.
_BLOCKS: Final = (1 << 16, 1 << 11, 1 << 6)

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


def crc32c(data: bytes | memoryview) -> int:
    """The checksum of ``data``."""
    state = 0xFFFFFFFF
    if len(data) > 64 * _BLOCKS[-1]:
        # What the state adds to the first four bytes: after that, it starts at zero, and blocks may be added to one another.
        left = np.frombuffer(data, np.uint8).copy()
        left[:4] ^= np.uint8(0xFF)
        data, state = _folded(left), 0
    for byte in data:
        state = _TABLE[(state ^ byte) & 0xFF] ^ state >> 8
    return state ^ 0xFFFFFFFF


def masked(checksum: int) -> int:
    """A checksum as it is stored."""
    return ((checksum >> 15 | checksum << 17) + _MASK) & 0xFFFFFFFF


def _folded(left: NDArray[np.uint8]) -> Any:
    """A few bytes that have the same checksum, from a state of zero. ``left`` is changed."""
    for block in _BLOCKS:
        # Zeros before the first byte leave a state of zero as it is.
        count = -(-len(left) // block)
        if count <= 32 + _AT_ONCE:
            continue
        if count * block != len(left):
            left = np.concatenate([np.zeros(count * block - len(left), np.uint8), left])
        words = left.view(np.uint64)
        width = block // 8
        last = count - 32
        for start in range(0, last, _AT_ONCE):
            end = min(start + _AT_ONCE, last)
            source = words[start * width : end * width]
            for distance in _DISTANCES:
                words[(start + distance) * width : (end + distance) * width] ^= source
        left = left[last * block :].copy()
    return left.tobytes()
