"""Hashes of integers, and tables that integers are looked up in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from kexport.ir import dtypes
from kexport.ir.graph import Array, Attrs, TensorType
from kexport.ir.ops._registry import REQUIRED, Inputs, OpError, op, required

_WORD: Final = (1 << 64) - 1

#: More buckets than this have no room in the arithmetic of targets without 64-bit products.
MOST_BUCKETS: Final = 1 << 46

_K0: Final = 0xC3A5C85C97CB3127
_K1: Final = 0xB492B66FBE98F273
_K2: Final = 0x9AE16A3B2F90404F

CROSS_KEY: Final = 0xDECAFCAFFE
"""What ``tf.sparse.cross_hashed`` starts from (``_DEFAULT_HASH_KEY`` in tensorflow/python/ops/sparse_ops.py, 2.21)."""

CROSS_MULTIPLIER: Final = 0xC6A4A7935BD1E995
"""FingerprintCat64's (tsl/platform/fingerprint.h, TensorFlow 2.21)."""


def _rotate(x: int, bits: int) -> int:
    return (x >> bits | x << (64 - bits)) & _WORD


def _mix(x: int) -> int:
    return x ^ x >> 47


def _fetch(text: bytes, start: int, size: int = 8) -> int:
    return int.from_bytes(text[start : start + size], "little")


def _hash_16(u: int, v: int, mul: int) -> int:
    a = _mix((u ^ v) * mul & _WORD)
    return _mix((v ^ a) * mul & _WORD) * mul & _WORD


def fingerprint64(text: bytes) -> int:
    """FarmHash's Fingerprint64 of 1 to 32 bytes (farmhash.cc, ``farmhashna::Hash64``)."""
    n, mul = len(text), _K2 + 2 * len(text)
    if n > 16:
        a, b = _fetch(text, 0) * _K1 & _WORD, _fetch(text, 8)
        c, d = _fetch(text, n - 8) * mul & _WORD, _fetch(text, n - 16) * _K2
        u = _rotate(a + b & _WORD, 43) + _rotate(c, 30) + d
        return _hash_16(u & _WORD, a + _rotate(b + _K2 & _WORD, 18) + c & _WORD, mul)
    if n > 7:
        a, b = _fetch(text, 0) + _K2 & _WORD, _fetch(text, n - 8)
        c = _rotate(b, 37) * mul + a
        return _hash_16(c & _WORD, (_rotate(a, 25) + b) * mul & _WORD, mul)
    if n > 3:
        return _hash_16(n + (_fetch(text, 0, 4) << 3), _fetch(text, n - 4, 4), mul)
    y, z = text[0] + (text[n >> 1] << 8), n + (text[-1] << 2)
    return _mix((y * _K2 ^ z * _K0) & _WORD) * _K2 & _WORD


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


def cross64(numbers: Sequence[int]) -> int:
    """FingerprintCat64 of the numbers, one after the other, from :data:`CROSS_KEY`."""
    result = CROSS_KEY
    for number in numbers:
        own = _mix((number & _WORD) * CROSS_MULTIPLIER & _WORD) * CROSS_MULTIPLIER & _WORD
        mixed = (result ^ CROSS_MULTIPLIER ^ own) * CROSS_MULTIPLIER & _WORD
        result = _mix(_mix(mixed) * CROSS_MULTIPLIER & _WORD)
    return result


def _each(function: Callable[..., int], *arrays: Array) -> Array:
    pairs = zip(*(array.reshape(-1).tolist() for array in arrays), strict=True)
    return np.asarray([function(*numbers) for numbers in pairs], np.int64).reshape(arrays[0].shape)


def _check_buckets(attrs: Attrs) -> None:
    if not 0 < attrs["buckets"] <= MOST_BUCKETS:
        raise OpError(f"buckets is from 1 to 2**46. Received: {attrs['buckets']}")


def _hash_type(inputs: Inputs, attrs: Attrs) -> list[TensorType]:
    x = required(inputs, 0)
    _check_buckets(attrs)
    if not dtypes.is_integer(x.dtype) or x.dtype == "uint64":
        raise OpError(f"hash_bucket takes integers of up to 63 bits and a sign. Received: {x!r}")
    return [TensorType("int64", x.shape)]


@op("hash_bucket", infer=_hash_type, attrs={"buckets": REQUIRED, "key": None})
def hash_bucket(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """The hash of each integer's decimal text mod ``buckets``, in int64: FarmHash's Fingerprint64, or SipHash-2-4 under ``key``
    (two integers). ``tf.strings.to_hash_bucket_fast`` and ``_strong`` of ``tf.as_string(x)``."""
    buckets: int = attrs["buckets"]
    key = attrs["key"]

    def bucket(number: int) -> int:
        text = str(number).encode()
        return (fingerprint64(text) if key is None else siphash64(text, key)) % buckets

    return [_each(bucket, inputs[0])]


def _cross_type(inputs: Inputs, attrs: Attrs) -> list[TensorType]:
    columns = [required(inputs, index) for index in range(len(inputs))]
    _check_buckets(attrs)
    if not columns or any(x.dtype != "int64" or x.shape != columns[0].shape for x in columns):
        raise OpError(f"cross_hash takes tensors of int64 and one shape. Received: {columns}")
    return [columns[0].type]


@op("cross_hash", infer=_cross_type, attrs={"buckets": REQUIRED})
def cross_hash(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """The hash of the inputs' integers together, element by element, mod ``buckets``: ``tf.sparse.cross_hashed``."""
    return [_each(lambda *numbers: cross64(numbers) % attrs["buckets"], *inputs)]


def _lookup_type(inputs: Inputs, attrs: Attrs) -> list[TensorType]:
    x, keys, values = (required(inputs, index) for index in range(3))
    if x.dtype != "int64" or keys.dtype != "int64" or keys.rank != 1 or keys.shape != values.shape:
        raise OpError(
            f"lookup takes int64, keys of int64 and a value a key. Received: {x!r}, {keys!r}, {values!r}"
        )
    return [TensorType(values.dtype, x.shape)]


@op("lookup", infer=_lookup_type, attrs={"default": REQUIRED, "strict": False})
def lookup(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """``(x, keys, values)``: the value of the key that each element of x is, ``default`` where it is none.

    ``keys`` are distinct, in any order. With ``strict`` the model asks for keys only: of what is none, it says nothing.
    """
    x, keys, values = inputs
    order = np.argsort(keys)
    place = order[np.minimum(np.searchsorted(keys, x, sorter=order), len(keys) - 1)]
    return [np.where(keys[place] == x, values[place], np.asarray(attrs["default"], values.dtype))]
