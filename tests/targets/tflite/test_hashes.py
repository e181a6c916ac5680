"""Hashes and lookups of integers, in LiteRT."""

from __future__ import annotations

import numpy as np
import pytest

from kexport.ir import symbol
from targets.tflite.running import check

NUMBERS = [0, 7, -7, 10, 99, -100, 12345, -123456, 2**31 - 1, -(2**31)]
LONG = [*NUMBERS, 10**11, -(10**12), 10**15, -(10**16), 10**17, -(10**18), 2**63 - 1, -(2**63)]


@pytest.mark.parametrize("key", [None, (17, -4)])
@pytest.mark.parametrize(
    ("dtype", "numbers"), [("int32", NUMBERS), ("int64", LONG), ("uint8", [0, 9, 10, 255])]
)
def test_hash_buckets(dtype, numbers, key):
    x = np.asarray(numbers, dtype)
    check(
        {"x": (dtype, (symbol("batch"),))},
        lambda b, x: b.op("hash_bucket", x, buckets=10**9 + 7, key=key),
        [x],
        [x[:3]],
    )


def test_cross_hashes():
    rows = np.asarray(LONG, np.int64)
    check(
        {"x": ("int64", (symbol("batch"), 1)), "y": ("int64", (symbol("batch"), 1))},
        lambda b, x, y: b.op("cross_hash", x, y, buckets=10**9 + 7),
        [rows[:, None], rows[::-1, None]],
    )


@pytest.mark.parametrize("keys", [[5, 7, 9, -2], [5, 10**9, -(10**14), 2**63 - 1]])
def test_lookups(keys):
    table, values = np.asarray(keys, np.int64), np.arange(1, len(keys) + 1)
    x = np.asarray([[*keys, 0, 6, 2**62, -(2**63)]], np.int64)
    check(
        {"x": ("int64", (1, 8))},
        lambda b, x: b.op("lookup", x, b.constant(table), b.constant(values, "int64"), default=0),
        [x],
    )
