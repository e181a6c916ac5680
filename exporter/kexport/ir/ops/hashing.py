"""Hashes of integers and text, and tables that these are looked up in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from kexport.ir import dtypes
from kexport.ir.graph import Array, Attrs, TensorType
from kexport.ir.ops._registry import REQUIRED, Inputs, OpError, op, required
from kexport.ir.ops.fingerprints import cross64, fingerprint64, siphash64
from kexport.ir.texts import encoded

_KEYS: Final = ("int64", "string")

#: More buckets than this have no room in the arithmetic of targets without 64-bit products.
MOST_BUCKETS: Final = 1 << 46


def _each(function: Callable[..., int], *arrays: Array) -> Array:
    pairs = zip(*(array.reshape(-1).tolist() for array in arrays), strict=True)
    return np.asarray([function(*numbers) for numbers in pairs], np.int64).reshape(arrays[0].shape)


def _check_buckets(attrs: Attrs) -> None:
    if not 0 < attrs["buckets"] <= MOST_BUCKETS:
        raise OpError(f"buckets is from 1 to 2**46. Received: {attrs['buckets']}")


def _hash_type(inputs: Inputs, attrs: Attrs) -> list[TensorType]:
    x = required(inputs, 0)
    _check_buckets(attrs)
    if x.dtype != "string" and (not dtypes.is_integer(x.dtype) or x.dtype == "uint64"):
        raise OpError(f"hash_bucket takes text, or integers of up to 63 bits and a sign. Received: {x!r}")
    return [TensorType("int64", x.shape)]


@op("hash_bucket", infer=_hash_type, attrs={"buckets": REQUIRED, "key": None})
def hash_bucket(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """The hash of each text, or of each integer's decimal text, mod ``buckets``, in int64: FarmHash's Fingerprint64, or SipHash-2-4
    under ``key`` (two integers). ``tf.strings.to_hash_bucket_fast`` and ``_strong`` of ``x`` or ``tf.as_string(x)``."""
    buckets: int = attrs["buckets"]
    key = attrs["key"]

    def bucket(item: int | str | bytes) -> int:
        text = str(item).encode() if isinstance(item, int) else encoded(item)
        return (fingerprint64(text) if key is None else siphash64(text, key)) % buckets

    return [_each(bucket, inputs[0])]


def _cross_type(inputs: Inputs, attrs: Attrs) -> list[TensorType]:
    columns = [required(inputs, index) for index in range(len(inputs))]
    _check_buckets(attrs)
    if not columns or any(x.dtype not in _KEYS or x.shape != columns[0].shape for x in columns):
        raise OpError(f"cross_hash takes tensors of int64 or text, and one shape. Received: {columns}")
    return [TensorType("int64", columns[0].shape)]


@op("cross_hash", infer=_cross_type, attrs={"buckets": REQUIRED})
def cross_hash(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """The hash of the inputs' elements together, place by place, mod ``buckets``: ``tf.sparse.cross_hashed``. Text counts as its
    Fingerprint64."""

    def crossed(*items: int | str | bytes) -> int:
        numbers = [item if isinstance(item, int) else fingerprint64(encoded(item)) for item in items]
        return cross64(numbers) % int(attrs["buckets"])

    return [_each(crossed, *inputs)]


def _lookup_type(inputs: Inputs, attrs: Attrs) -> list[TensorType]:
    x, keys, values = (required(inputs, index) for index in range(3))
    if x.dtype not in _KEYS or keys.dtype != x.dtype or keys.rank != 1 or keys.shape != values.shape:
        raise OpError(
            f"lookup takes int64 or text, keys of that and a value a key. Received: {x!r}, {keys!r}, {values!r}"
        )
    return [TensorType(values.dtype, x.shape)]


@op("lookup", infer=_lookup_type, attrs={"default": REQUIRED, "strict": False})
def lookup(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """``(x, keys, values)``: the value of the key that each element of x is, ``default`` where it is none.

    ``keys`` are distinct, in any order. With ``strict`` the model asks for keys only: of what is none, it says nothing.
    """
    x, keys, values = inputs
    if keys.dtype == object:
        return [_of_texts(x, keys, values, attrs["default"])]
    order = np.argsort(keys)
    place = order[np.minimum(np.searchsorted(keys, x, sorter=order), len(keys) - 1)]
    return [np.where(keys[place] == x, values[place], np.asarray(attrs["default"], values.dtype))]


def _of_texts(x: Array, keys: Array, values: Array, default: Any) -> Array:
    table = dict(zip(map(encoded, keys.tolist()), values.tolist(), strict=True))
    found = [table.get(encoded(item), default) for item in x.reshape(-1).tolist()]
    return np.asarray(found, values.dtype).reshape(x.shape)
