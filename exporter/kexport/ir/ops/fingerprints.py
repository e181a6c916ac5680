"""Hash functions of TensorFlow's string ops, on bytes: what ``hash_bucket`` and ``cross_hash`` compute with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

_WORD: Final = (1 << 64) - 1

_K0: Final = 0xC3A5C85C97CB3127
_K1: Final = 0xB492B66FBE98F273
_K2: Final = 0x9AE16A3B2F90404F

#: What the hash of more than 64 bytes begins with (farmhash.cc, ``farmhashna::Hash64``).
_SEED: Final = 81

_Pair: TypeAlias = tuple[int, int]


def _rotate(x: int, bits: int) -> int:
    """Of the lowest 64 bits of x."""
    x &= _WORD
    return (x >> bits | x << (64 - bits)) & _WORD


def _mix(x: int) -> int:
    """Of the lowest 64 bits of x."""
    x &= _WORD
    return x ^ x >> 47


def _fetch(text: bytes, start: int, size: int = 8) -> int:
    return int.from_bytes(text[start : start + size], "little")


def _hash_16(u: int, v: int, mul: int) -> int:
    a = _mix(((u ^ v) & _WORD) * mul)
    return _mix(((v ^ a) & _WORD) * mul) * mul & _WORD


def fingerprint64(text: bytes) -> int:
    """FarmHash's Fingerprint64 (farmhash.cc, ``farmhashna::Hash64``)."""
    n, mul = len(text), _K2 + 2 * len(text)
    if n > 64:
        return _of_many(text)
    if n > 32:
        return _of_33_to_64(text, mul)
    if n > 16:
        a, b = _fetch(text, 0) * _K1 & _WORD, _fetch(text, 8)
        c, d = _fetch(text, n - 8) * mul & _WORD, _fetch(text, n - 16) * _K2
        u = _rotate(a + b, 43) + _rotate(c, 30) + d
        return _hash_16(u, a + _rotate(b + _K2, 18) + c, mul)
    if n > 7:
        a, b = _fetch(text, 0) + _K2 & _WORD, _fetch(text, n - 8)
        c = _rotate(b, 37) * mul + a
        return _hash_16(c, (_rotate(a, 25) + b) * mul, mul)
    if n > 3:
        return _hash_16(n + (_fetch(text, 0, 4) << 3), _fetch(text, n - 4, 4), mul)
    if n == 0:
        return _K2
    y, z = text[0] + (text[n >> 1] << 8), n + (text[-1] << 2)
    return _mix(y * _K2 & _WORD ^ z * _K0 & _WORD) * _K2 & _WORD


def _of_33_to_64(text: bytes, mul: int) -> int:
    n = len(text)
    a, b = _fetch(text, 0) * _K2, _fetch(text, 8)
    c, d = _fetch(text, n - 8) * mul, _fetch(text, n - 16) * _K2
    y = _rotate(a + b, 43) + _rotate(c, 30) + d & _WORD
    z = _hash_16(y, a + _rotate(b + _K2, 18) + c, mul)
    e, f = _fetch(text, 16) * mul, _fetch(text, 24)
    g, h = (y + _fetch(text, n - 32)) * mul, (z + _fetch(text, n - 24)) * mul
    return _hash_16(_rotate(e + f, 43) + _rotate(g, 30) + h, e + _rotate(f + a, 18) + g, mul)


def _of_many(text: bytes) -> int:
    """Blocks of 64 bytes, then the last 64 bytes, of which some may have been in a block."""
    n = len(text)
    x, y = _SEED * _K2 + _fetch(text, 0) & _WORD, _SEED * _K1 + 113 & _WORD
    z = _mix(y * _K2 + 113) * _K2 & _WORD
    v, w = (0, 0), (0, 0)
    for start in range(0, (n - 1) // 64 * 64, 64):
        x, y, z, v, w = _block(text, start, (x, y, z), v, w, _K1, 1)
    mul, rest = _K1 + ((z & 0xFF) << 1), (n - 1) % 64
    w0 = w[0] + rest
    v0 = v[0] + w0
    w0 += v0
    x, y, z, v, w = _block(text, n - 64, (x, y, z), (v0, v[1]), (w0, w[1]), mul, 9)
    first = _hash_16(v[0], w[0], mul) + _mix(y) * _K0 + z
    return _hash_16(first, _hash_16(v[1], w[1], mul) + x, mul)


def _block(
    text: bytes, start: int, state: tuple[int, int, int], v: _Pair, w: _Pair, mul: int, factor: int
) -> tuple[int, int, int, _Pair, _Pair]:
    """The state after 64 bytes from ``start``; ``factor`` weighs what the last block takes of the one before."""
    x, y, z = state
    x = _rotate(x + y + v[0] + _fetch(text, start + 8), 37) * mul
    y = _rotate(y + v[1] + _fetch(text, start + 48), 42) * mul
    x ^= w[1] * factor
    y += v[0] * factor + _fetch(text, start + 40)
    z = _rotate(z + w[0], 33) * mul
    v = _weak(text, start, v[1] * mul, x + w[0])
    w = _weak(text, start + 32, z + w[1], y + _fetch(text, start + 16))
    return z & _WORD, y & _WORD, x & _WORD, v, w


def _weak(text: bytes, start: int, a: int, b: int) -> _Pair:
    """``WeakHashLen32WithSeeds``: 32 bytes and two seeds in two words."""
    first, second, third, last = (_fetch(text, start + 8 * index) for index in range(4))
    a += first
    b = _rotate(b + a + last, 21)
    total = a + second + third
    return total + last & _WORD, b + _rotate(total, 44) + a & _WORD


def siphash64(text: bytes, key: Sequence[int]) -> int:
    """SipHash-2-4 (Aumasson and Bernstein, 2012) under a key of two numbers."""
    initial = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)
    v: list[int] = [key[index % 2] & _WORD ^ constant for index, constant in enumerate(initial)]

    def rounds(count: int) -> None:
        for _ in range(count):
            v[0], v[2] = v[0] + v[1] & _WORD, v[2] + v[3] & _WORD
            v[1], v[3] = _rotate(v[1], 51) ^ v[0], _rotate(v[3], 48) ^ v[2]
            v[0] = _rotate(v[0], 32)
            v[2], v[0] = v[2] + v[1] & _WORD, v[0] + v[3] & _WORD
            v[1], v[3] = _rotate(v[1], 47) ^ v[2], _rotate(v[3], 43) ^ v[0]
            v[2] = _rotate(v[2], 32)

    closed = text + bytes(-(len(text) + 1) % 8) + bytes([len(text) & 0xFF])
    for start in range(0, len(closed), 8):
        block = _fetch(closed, start)
        v[3] ^= block
        rounds(2)
        v[0] ^= block
    v[2] ^= 0xFF
    rounds(4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


CROSS_KEY: Final = 0xDECAFCAFFE
"""What ``tf.sparse.cross_hashed`` starts from (``_DEFAULT_HASH_KEY`` in tensorflow/python/ops/sparse_ops.py, 2.21)."""

CROSS_MULTIPLIER: Final = 0xC6A4A7935BD1E995
"""FingerprintCat64's (tsl/platform/fingerprint.h, TensorFlow 2.21)."""


def cross64(numbers: Sequence[int]) -> int:
    """FingerprintCat64 of the numbers, one after the other, from :data:`CROSS_KEY`."""
    result = CROSS_KEY
    for number in numbers:
        own = _mix((number & _WORD) * CROSS_MULTIPLIER) * CROSS_MULTIPLIER & _WORD
        mixed = (result ^ CROSS_MULTIPLIER ^ own) * CROSS_MULTIPLIER & _WORD
        result = _mix(_mix(mixed) * CROSS_MULTIPLIER)
    return result
