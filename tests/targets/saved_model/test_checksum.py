"""CRC-32C and sorted tables, beside values from elsewhere and TensorFlow's own reader (test_variables.py)."""

from __future__ import annotations

import io

import numpy as np
import pytest

from kexport_targets.saved_model.checksum import crc32c, masked
from kexport_targets.saved_model.table import write_table

#: RFC 3720, section B.4; the check value of the catalogue of parametrised CRC algorithms.
KNOWN = {
    b"": 0,
    b"123456789": 0xE3069283,
    bytes(32): 0x8A9136AA,
    b"\xff" * 32: 0x62A8AB43,
    bytes(range(32)): 0x46DD794E,
    bytes(reversed(range(32))): 0x113FDB5C,
}


@pytest.mark.parametrize("data", KNOWN)
def test_published_values(data: bytes) -> None:
    assert crc32c(data) == KNOWN[data]


def bit_by_bit(data: bytes) -> int:
    state = 0xFFFFFFFF
    for byte in data:
        state ^= byte
        for _ in range(8):
            state = state >> 1 ^ 0x82F63B78 * (state & 1)
    return state ^ 0xFFFFFFFF


@pytest.mark.parametrize("size", [1, 512, 513, 4097, 42_568, 42_577, 70_001, 340_545, 400_003])
def test_any_size(size: int) -> None:
    data = np.random.default_rng(size).bytes(size)
    assert crc32c(data) == bit_by_bit(data)


def test_blocks_of_every_size_add_up() -> None:
    """CRCs are linear: that of a large one with one bit set can be told from its zeros' and the bit's place alone."""
    data = np.random.default_rng(0).bytes(5 << 20)
    halves = data[: 3 << 20], data[3 << 20 :]
    other = bytes(len(halves[0])) + halves[1]
    padded = halves[0] + bytes(len(halves[1]))
    assert crc32c(data) == crc32c(other) ^ crc32c(padded) ^ crc32c(bytes(len(data)))
    assert crc32c(memoryview(data)) == crc32c(data)


def test_masked_as_tensorflow_stores_it() -> None:
    assert masked(0) == 0xA282EAD8
    assert masked(1 << 15) == 0xA282EAD8 + 1
    assert masked(0x80000000) == (0xA282EAD8 + (1 << 16)) % 2**32


def test_a_table_of_nothing_is_whole() -> None:
    file = io.BytesIO()
    write_table(file, [])
    data = file.getvalue()
    assert data[-8:] == bytes.fromhex("57fb808b247547db")
    assert len(data) == 48 + 2 * (8 + 5)
