"""Indices within bounds and out of them, before and since iOS 17."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kexport_runtimes.coreml import INTERPRETER
from support import mil_program as mil

X = np.arange(6, dtype=np.float32).reshape(2, 3)
NAN = np.nan


def run(folder: Path, kind: str, opset: str, x: np.ndarray = X, **constants: Any) -> np.ndarray:
    rank = {"gather_nd": 1}.get(kind, 2)
    name = "data" if kind.startswith("scatter") else "x"
    path = mil.one_operation(folder, kind, {name: x}, constants, ("float32", [None] * rank), opset)
    return INTERPRETER.run(path, {name: x})["y"]


@pytest.mark.parametrize(
    ("kind", "indices", "before", "since"),
    [
        ("gather", [1, -1], [[3, 4, 5], [3, 4, 5]], [[3, 4, 5], [NAN] * 3]),
        ("gather", [2, 0], [[NAN] * 3, [0, 1, 2]], [[NAN] * 3, [0, 1, 2]]),
        ("gather_along_axis", [[0, -1, 5]], [[0, 4, NAN]], [[0, NAN, NAN]]),
        ("gather_nd", [[1, 2], [-1, 0], [0, 3]], [5, 3, NAN], [5, NAN, NAN]),
    ],
)
def test_gathers(tmp_path: Path, kind: str, indices: Any, before: Any, since: Any) -> None:
    given = np.array(indices, np.int32)
    np.testing.assert_array_equal(run(tmp_path / "6", kind, "CoreML6", indices=given), before)
    np.testing.assert_array_equal(run(tmp_path / "7", kind, "CoreML7", indices=given), since)
    with pytest.raises(RuntimeError, match="takes indices within 0"):
        run(tmp_path / "v", kind, "CoreML7", indices=given, validate_indices=np.bool_(True))


@pytest.mark.parametrize(
    ("kind", "indices", "updates", "before", "since"),
    [
        ("scatter", [-1, 2], [[1, 1, 1], [9, 9, 9]], [[0, 1, 2], [4, 5, 6]], X),
        (
            "scatter_along_axis",
            [[1, -1, 7]],
            [[10, 10, 10]],
            [[0, 1, 2], [13, 14, 5]],
            [[0, 1, 2], [13, 4, 5]],
        ),
        ("scatter_nd", [[-1, 0], [0, 1]], [10, 20], [[0, 21, 2], [13, 4, 5]], [[0, 21, 2], [3, 4, 5]]),
    ],
)
def test_scatters(tmp_path: Path, kind: str, indices: Any, updates: Any, before: Any, since: Any) -> None:
    given = {"indices": np.array(indices, np.int32), "updates": np.array(updates, np.float32)}
    np.testing.assert_array_equal(run(tmp_path / "6", kind, "CoreML6", **given), before)
    np.testing.assert_array_equal(run(tmp_path / "7", kind, "CoreML7", **given), since)
    with pytest.raises(RuntimeError, match="takes indices within 0"):
        run(tmp_path / "v", kind, "CoreML7", **given, validate_indices=np.bool_(True))


@pytest.mark.parametrize("mode", ["update", "add", "sub", "mul", "div", "max", "min"])
def test_modes_of_scatter(tmp_path: Path, mode: str) -> None:
    """Updates of the same place follow one another."""
    indices, updates = np.array([1, 1], np.int32), np.array([[2, 2, 2], [4, 4, 4]], np.float32)
    expected = X.copy()
    for update in updates:
        row = expected[1]
        expected[1] = {
            "update": update,
            "add": row + update,
            "sub": row - update,
            "mul": row * update,
            "div": row / update,
            "max": np.maximum(row, update),
            "min": np.minimum(row, update),
        }[mode]
    found = run(tmp_path, "scatter", "CoreML7", indices=indices, updates=updates, mode=np.array(mode))
    np.testing.assert_allclose(found, expected)
