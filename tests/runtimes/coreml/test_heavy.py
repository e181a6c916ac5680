"""Convolutions and pools: NumPy's kernels and ONNX Runtime's compute the same, and NumPy's what their definition says."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kexport_runtimes.coreml import heavy, values
from kexport_runtimes.coreml.interpreter import Options
from kexport_runtimes.coreml.session import Session
from support import mil_program as mil

RNG = np.random.default_rng(0)


def both(
    folder: Path, kind: str, x: np.ndarray, constants: dict[str, Any], rank: int
) -> tuple[np.ndarray, np.ndarray]:
    path = mil.one_operation(folder, kind, {"x": x}, constants, ("float32", [None] * rank))
    results = [
        Session(path, options=Options(accelerate=accelerate)).run({"x": x})["y"]
        for accelerate in (False, True)
    ]
    return results[0], results[1]


def drawn(rng: np.random.Generator, rank: int, *, dilated: bool = True) -> dict[str, Any]:
    """Strides, dilations and a padding for so many axes."""
    found: dict[str, Any] = {"strides": rng.integers(1, 4, rank).astype(np.int32)}
    if dilated:
        found["dilations"] = rng.integers(1, 3, rank).astype(np.int32)
    found["pad_type"] = np.array(["valid", "same", "same_lower", "custom"][rng.integers(4)])
    if found["pad_type"] == "custom":
        found["pad"] = rng.integers(0, 3, 2 * rank).astype(np.int32)
    return found


@pytest.mark.parametrize("seed", range(24))
def test_convolutions(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(seed)
    rank, groups = 1 + seed % 3, int(rng.choice([1, 2, 4]))
    x = rng.normal(size=(2, 4, *rng.integers(7, 10, rank))).astype(np.float32)
    kernel = rng.integers(1, 4, rank)
    transposed = seed % 2 == 1
    shape = (4, 3, *kernel) if transposed else (4 * groups, 4 // groups, *kernel)
    constants = drawn(rng, rank) | {
        "weight": rng.normal(size=shape).astype(np.float32),
        "groups": np.int32(groups),
    }
    if transposed and constants["pad_type"] == "custom":
        constants["pad"] = np.minimum(constants["pad"], 1)
    if rng.integers(2):
        constants["bias"] = rng.normal(size=3 * groups if transposed else 4 * groups).astype(np.float32)
    calls = []
    computed = heavy._session
    monkeypatch.setattr(heavy, "_session", lambda *args: calls.append(args) or computed(*args))
    plain, fast = both(tmp_path, "conv_transpose" if transposed else "conv", x, constants, rank + 2)
    np.testing.assert_allclose(fast, plain, atol=2e-5)
    assert transposed or len(calls) == 1


@pytest.mark.parametrize("seed", range(16))
def test_pools(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(100 + seed)
    rank = 1 + seed % 3
    x = rng.normal(size=(2, 3, *rng.integers(7, 10, rank))).astype(np.float32)
    constants = drawn(rng, rank, dilated=False) | {"kernel_sizes": rng.integers(2, 4, rank).astype(np.int32)}
    if constants["pad_type"] == "custom":
        constants["pad"] = np.minimum(constants["pad"], 1)
    if seed % 2:
        constants["exclude_padding_from_average"] = np.bool_(rng.integers(2))
    plain, fast = both(tmp_path, "avg_pool" if seed % 2 else "max_pool", x, constants, rank + 2)
    np.testing.assert_allclose(fast, plain, atol=1e-6)


def test_half_precision_is_rounded_alike() -> None:
    """Powers of every size, ties, the least values, those around the largest, and what is no number."""
    rng = np.random.default_rng(0)
    drawn_values = rng.normal(size=100_000) * 10.0 ** rng.integers(-12, 8, 100_000)
    least = 2.0**-24
    edges = [0, -0.0, least, least / 2, least * 0.75, least * 1.5, 2.0**-14, 65519.9, 65520, -65520, 1e38]
    x = np.array([*drawn_values, *edges, np.inf, -np.inf, np.nan], np.float32).reshape(-1, 2)
    with np.errstate(over="ignore"):
        expected = x.astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(values.rounded(x), expected)
    np.testing.assert_array_equal(heavy.rounded(x), expected)
    assert heavy.rounded(x) is not x
    np.testing.assert_array_equal(heavy.rounded(x[:4]), expected[:4])


def test_a_convolution_by_its_definition(tmp_path: Path) -> None:
    x, weight = (
        RNG.normal(size=(1, 2, 5, 6)).astype(np.float32),
        RNG.normal(size=(3, 2, 2, 3)).astype(np.float32),
    )
    constants = {
        "weight": weight,
        "strides": np.array([2, 1], np.int32),
        "dilations": np.array([1, 2], np.int32),
        "pad_type": np.array("custom"),
        "pad": np.array([1, 0, 0, 2], np.int32),
    }
    padded = np.pad(x, [(0, 0), (0, 0), (1, 0), (0, 2)])
    expected = np.zeros((1, 3, 3, 4))
    for out, i, j in itertools.product(range(3), range(3), range(4)):
        window = padded[0, :, 2 * i : 2 * i + 2, j : j + 5 : 2]
        expected[0, out, i, j] = (window * weight[out]).sum()
    for result in both(tmp_path, "conv", x, constants, 4):
        np.testing.assert_allclose(result, expected, atol=1e-5)


def test_same_padding_puts_the_odd_element_behind_or_in_front(tmp_path: Path) -> None:
    x, weight = (
        np.arange(1, 5, dtype=np.float32).reshape(1, 1, 4),
        np.array([1, 10], np.float32).reshape(1, 1, 2),
    )
    for pad_type, expected in (("same", [21, 32, 43, 4]), ("same_lower", [10, 21, 32, 43])):
        constants = {"weight": weight, "pad_type": np.array(pad_type)}
        for result in both(tmp_path / pad_type, "conv", x, constants, 3):
            np.testing.assert_array_equal(result[0, 0], expected)


def test_weights_that_are_computed_take_the_fast_way_too(tmp_path: Path) -> None:
    x, weight = RNG.normal(size=(1, 2, 5)).astype(np.float32), RNG.normal(size=(3, 2, 2)).astype(np.float32)
    path = mil.one_operation(tmp_path, "conv", {"x": x, "weight": weight}, {}, ("float32", (1, 3, 4)))
    plain, fast = (
        Session(path, options=Options(accelerate=accelerate)).run({"x": x, "weight": weight})["y"]
        for accelerate in (False, True)
    )
    np.testing.assert_allclose(fast, plain, atol=1e-5)


@pytest.mark.parametrize(
    ("constants", "words"),
    [
        ({"strides": np.array([0], np.int32)}, "positive sizes and steps. Received"),
        ({"strides": np.array([1, 1], np.int32)}, "has 1 spatial axes"),
        ({"pad_type": np.array("full")}, "has pad_type valid, same, same_lower, custom. Received: 'full'"),
        ({"pad_type": np.array("custom"), "pad": np.array([-1, 0], np.int32)}, "paddings of at least 0"),
        ({"groups": np.int32(3)}, "whose channels the groups divide"),
        ({"weight": np.zeros((3, 2, 9), np.float32)}, "at least one window"),
        ({"bias": np.zeros(5, np.float32)}, "conv 'y' can't be computed"),
    ],
)
def test_convolutions_that_are_none(tmp_path: Path, constants: dict[str, Any], words: str) -> None:
    x = np.zeros((1, 2, 5), np.float32)
    given = {"weight": np.zeros((3, 2, 2), np.float32)} | constants
    path = mil.one_operation(tmp_path, "conv", {"x": x}, given, ("float32", (None,) * 3))
    for accelerate in (False, True):
        with pytest.raises(RuntimeError, match=words):
            Session(path, options=Options(accelerate=accelerate)).run({"x": x})
