"""Hashes of integers in int32 alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kexport.errors import UnsupportedOpError
from kexport.ir import Array, Builder, Value
from targets.coreml.running import assert_means_the_same

LIMITS = np.iinfo(np.int32)
NUMBERS = np.array(
    [0, 1, -1, 9, 10, 99, 12345, -98765, LIMITS.max, LIMITS.min, 2_000_000_000, -1_999_999_999], np.int32
)


def check(folder: Path, arrays: list[Array], dtype: str, op: str, **attrs: Any) -> None:
    def body(b: Builder, *values: Value) -> Value:
        return b.op(op, *values, **attrs)

    types = {f"x{index}": (dtype, array.shape) for index, array in enumerate(arrays)}
    assert_means_the_same(folder, types, body, {f"x{i}": array for i, array in enumerate(arrays)}, 0.0)


@pytest.mark.parametrize(
    ("buckets", "key"), [(40, None), (32769, None), (1 << 30, None), (1_000_003, (3, 5))]
)
def test_hashes(buckets: int, key: tuple[int, int] | None, tmp_path: Path) -> None:
    check(tmp_path, [NUMBERS.reshape(3, 4)], "int64", "hash_bucket", buckets=buckets, key=key)


def test_hashes_of_several_columns(tmp_path: Path) -> None:
    check(tmp_path, [NUMBERS, NUMBERS[::-1].copy()], "int64", "cross_hash", buckets=1_000_003)


def test_more_buckets_than_there_is_room_for(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedOpError, match=r"(?s)room for 2\*\*30 buckets.*ONNX"):
        check(tmp_path, [NUMBERS], "int64", "hash_bucket", buckets=(1 << 30) + 1)
