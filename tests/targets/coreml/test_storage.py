"""Weights in fewer bits than their dtype has: nothing that is computed changes, and coremltools reads the same numbers."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kexport.ir import Array, Builder, Constant, Value
from kexport_targets.coreml.schema import DEPLOYMENT_TARGETS
from support.graphs import graph_from
from targets.coreml.running import assert_means_the_same, emitted, run
from targets.coreml.test_against_coremltools import asked

RNG = np.random.default_rng(3)
HALF = pytest.mark.parametrize("half", [False, True], ids=["float32", "float16"])
TARGET = pytest.mark.parametrize("target", DEPLOYMENT_TARGETS)

#: Bytes of weight.bin that are no weights: the header, and a record and padding each.
ROOM = 1024


def weights_size(folder: Path) -> int:
    (found,) = folder.rglob("weight.bin")
    return found.stat().st_size


def whole(narrow: str, shape: tuple[int, ...]) -> Array:
    low, high = {"int8": (-128, 128), "int4": (-8, 8)}[narrow]
    return RNG.integers(low, high, shape).astype(np.float32)


def put_out(folder: Path, constant: Constant, **chosen: Any) -> tuple[Any, Array]:
    """The package whose output is the constant, and that output."""
    folder.mkdir(parents=True, exist_ok=True)

    def body(b: Builder, x: Value) -> Value:
        return b.op("mul", b.constant(constant), x)

    artifact = emitted(graph_from({"x": ("float32", (1,) * len(constant.shape))}, body), folder, **chosen)
    one = np.ones((1,) * len(constant.shape), np.float32)
    return artifact, run(artifact, folder, {"x": one})["y0"]


def assert_same_bits(got: Array, wanted: Array) -> None:
    np.testing.assert_array_equal(got, wanted)
    np.testing.assert_array_equal(np.signbit(got), np.signbit(wanted))


#: By target: how 4 and 8 bits are expanded, and bytes an element in float32.
WAYS = {
    ("iOS15", "int4"): (None, 4.0),
    ("iOS15", "int8"): (None, 4.0),
    ("iOS16", "int4"): ("constexpr_lut_to_dense", 0.5),
    ("iOS16", "int8"): ("constexpr_affine_dequantize", 1.0),
    ("iOS17", "int4"): ("constexpr_lut_to_dense", 0.5),
    ("iOS17", "int8"): ("constexpr_affine_dequantize", 1.0),
    ("iOS18", "int4"): ("constexpr_blockwise_shift_scale", 0.5),
    ("iOS18", "int8"): ("constexpr_blockwise_shift_scale", 1.0),
}


@HALF
@TARGET
@pytest.mark.parametrize("narrow", ["int4", "int8"])
@pytest.mark.parametrize("columns", [5, 7, 80])
def test_kernels_of_whole_numbers(narrow: str, columns: int, target: str, half: bool, tmp_path: Path) -> None:
    kernel = whole(narrow, (33, columns))
    x = RNG.integers(-3, 4, (2, 33)).astype(np.float32)
    artifact = assert_means_the_same(
        tmp_path,
        {"x": ("float32", x.shape)},
        lambda b, x: b.op("dense", x, b.constant(Constant.of(kernel).known_as(narrow)), None),
        {"x": x},
        tolerance=1e-3 if half else 0.0,
        deployment_target=target,
        float16=half,
    )
    op, each = WAYS[target, narrow]
    width = min(each, 2.0) if half else each
    assert weights_size(tmp_path) <= math.ceil(kernel.size * width) + ROOM
    assert artifact.details["ops"].get(op or "linear", 0) == 1


@TARGET
@pytest.mark.parametrize("rank", [2, 3, 4])
def test_few_whole_numbers_are_put_out_as_they_are(target: str, rank: int, tmp_path: Path) -> None:
    """Of fewer than 64 nothing is gained."""
    kernel = whole("int4", (2, 3, 5, 2)[:rank])
    artifact, got = put_out(tmp_path, Constant.of(kernel).known_as("int4"), deployment_target=target)
    np.testing.assert_array_equal(got, kernel)
    assert not any(op.startswith("constexpr") for op in artifact.details["ops"])


#: Different numbers → bits of an index before iOS18, and since.
BITS = {
    1: (1, 1),
    2: (1, 1),
    3: (2, 2),
    5: (4, 3),
    16: (4, 4),
    17: (6, 6),
    65: (8, 8),
    256: (8, 8),
    257: (32, 32),
}


@pytest.mark.parametrize("target", ["iOS15", "iOS16", "iOS18"])
@pytest.mark.parametrize("count", BITS)
def test_palettes(count: int, target: str, tmp_path: Path) -> None:
    numbers = RNG.normal(size=count).astype(np.float32)
    numbers[0] = -0.0
    kernel = numbers[np.arange(77 * 131) * 7919 % count].reshape(77, 131)
    kernel[-1, -1] = np.float32(0.0) if count == 2 else kernel[-1, -1]
    artifact, got = put_out(tmp_path, Constant.of(kernel), deployment_target=target)
    assert_same_bits(got, kernel)
    bits = 32 if target == "iOS15" else BITS[count][target == "iOS18"]
    assert artifact.details["ops"].get("constexpr_lut_to_dense", 0) == (bits < 32)
    assert weights_size(tmp_path) <= math.ceil(kernel.size * bits / 8) + 2 * ROOM


def test_a_palette_where_the_first_numbers_are_alike(tmp_path: Path) -> None:
    """What a look at some of them says is not taken for all."""
    kernel = np.zeros((1100, 1024), np.float32)
    kernel[777] = RNG.normal(size=1024)
    artifact, got = put_out(tmp_path, Constant.of(kernel))
    assert_same_bits(got, kernel)
    assert "constexpr_lut_to_dense" not in artifact.details["ops"]
    kernel[777] = np.arange(1024) // 8
    artifact, got = put_out(tmp_path / "few", Constant.of(kernel))
    assert_same_bits(got, kernel)
    assert artifact.details["ops"]["constexpr_lut_to_dense"] == 1


def test_palettes_in_half_precision(tmp_path: Path) -> None:
    """They are of the numbers in half precision."""
    kernel = RNG.choice(RNG.normal(size=60), (50, 60)).astype(np.float32)
    artifact, got = put_out(tmp_path, Constant.of(kernel), float16=True)
    np.testing.assert_array_equal(got, kernel.astype(np.float16).astype(np.float32))
    assert artifact.details["ops"]["constexpr_lut_to_dense"] == 1
    assert weights_size(tmp_path) < kernel.size * 6 / 8 + ROOM


@HALF
@TARGET
@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_tables_of_8_bits(dtype: str, target: str, half: bool, tmp_path: Path) -> None:
    limits = np.iinfo(dtype)
    table = RNG.integers(limits.min, limits.max + 1, (300, 9)).astype(dtype)
    indices = RNG.integers(0, 300, (2, 4)).astype(np.int32)
    artifact = assert_means_the_same(
        tmp_path,
        {"i": ("int32", indices.shape)},
        lambda b, i: b.op("cast", b.op("gather", b.constant(table), i), dtype="float32"),
        {"i": indices},
        tolerance=0.0,
        deployment_target=target,
        float16=half,
    )
    width = {"iOS15": 2 if half else 4}.get(target, 1)
    assert weights_size(tmp_path) <= table.size * width + 3 * ROOM
    program = (tmp_path / artifact.main / "Data/com.apple.CoreML/model.mlmodel").stat().st_size
    assert program < 4096


def test_kernels_of_float8(tmp_path: Path) -> None:
    """What Keras rounds to float8 has no more than 256 different numbers, whatever they are multiplied with."""
    kernel = RNG.normal(size=(64, 48)).astype(np.float32)
    x = RNG.normal(size=(2, 64)).astype(np.float32)

    def body(b: Builder, x: Value) -> Value:
        scale = b.constant(np.float32(0.0123))
        levels = b.op("round_float8", b.op("div", b.constant(kernel), scale))
        return b.op("dense", x, b.op("mul", levels, scale), None)

    artifact = assert_means_the_same(tmp_path, {"x": ("float32", x.shape)}, body, {"x": x})
    assert artifact.details["ops"]["constexpr_lut_to_dense"] == 1
    assert weights_size(tmp_path) < kernel.size + 3 * ROOM


def test_coremltools_reads_the_same_numbers(tmp_path: Path) -> None:
    wanted = {}
    constants = {
        **{n: Constant.of(whole(n, (9, 11, 3))).known_as(n) for n in ("int4", "int8")},
        **{f"few{n}": Constant.of(RNG.choice(RNG.normal(size=n), (41, 53))) for n in (2, 4, 6, 15, 40, 200)},
    }
    for target in ("iOS16", "iOS17", "iOS18"):
        for half in (False, True):
            for name, constant in constants.items():
                folder = tmp_path / f"{target}{half}{name}"
                given = constant.map(lambda a: a.astype("f4"), dtype="float32", same_elements=True)
                artifact, got = put_out(folder, given, deployment_target=target, float16=half)
                numbers = got.astype("f2" if half else "f4")
                wanted[str(folder / artifact.main)] = [hashlib.sha256(numbers.tobytes()).hexdigest()]
    found = asked([Path(path) for path in wanted])["packages"]
    assert {path: about["problems"] for path, about in found.items() if about["problems"]} == {}
    assert {path: about["expanded"] for path, about in found.items()} == wanted
