"""Inputs derived from graphs: deterministic, in range, and as long as the graph needs."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kexport.errors import ModelReadError, UsageError
from kexport.ir import Builder, Graph, TensorType, Value, dims, symbol
from kexport.ir.evaluate import evaluate
from kexport.reference import golden_inputs, samples_from_file
from kexport.reference.lengths import choose_lengths, least_lengths
from support.graphs import graph_of

BATCH = symbol("batch")
TIME = symbol("time")


def float_graph(shape: tuple[dims.Dim, ...] = (BATCH, 4), dtype: str = "float32") -> Graph:
    return graph_of({"x": TensorType(dtype, shape)}, lambda b, x: {"y": b.op("identity", x)})


def test_floats_are_standard_normal_and_the_same_every_time() -> None:
    graph = float_graph((BATCH, 1000))
    drawn = golden_inputs(graph)["x"]
    assert drawn.shape == (4, 1000)
    assert drawn.dtype == np.float32
    assert abs(float(drawn.mean())) < 0.1
    assert abs(float(drawn.std()) - 1) < 0.1
    np.testing.assert_array_equal(drawn, golden_inputs(graph)["x"])
    assert not np.array_equal(drawn, golden_inputs(graph, seed=1)["x"])
    # Written down, so that a change of NumPy or platform is noticed: golden files are compared by their bytes.
    assert hashlib.sha256(drawn.astype("<f4").tobytes()).hexdigest()[:16] == EXPECTED_FLOATS


EXPECTED_FLOATS = "7565e209b6f7e45c"


def looked_up(keys: list[int], dtype: str, *, strict: bool) -> Graph:
    table = np.asarray(keys, np.int64)

    def build(b: Builder, x: Value) -> Mapping[str, Value]:
        ids = b.op("reshape", b.op("cast", x, dtype="int64"), shape=(BATCH, 1, 8))
        rows = b.constant(np.arange(len(keys)), "int64")
        return {"y": b.op("lookup", ids, b.constant(table), rows, default=-1, strict=strict)}

    return graph_of({"ids": TensorType(dtype, (BATCH, 8))}, build)


@pytest.mark.parametrize("dtype", ["int64", "int32", "float32"])
def test_what_is_looked_up_is_mostly_keys_and_nothing_else_where_it_has_to_be(dtype: str) -> None:
    keys = [10, -500, 12, 90_000]
    drawn = golden_inputs(looked_up(keys, dtype, strict=False), samples=100)["ids"]
    assert set(keys) <= set(drawn.ravel().tolist())
    assert 0.1 < np.mean(~np.isin(drawn, keys)) < 0.4
    drawn = golden_inputs(looked_up(keys, dtype, strict=True), samples=100)["ids"]
    assert set(drawn.ravel().tolist()) == set(keys)


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", "int8", "float32"])
def test_what_is_hashed_is_of_any_size(dtype: str) -> None:
    def build(b: Builder, x: Value) -> Mapping[str, Value]:
        return {"y": b.op("hash_bucket", b.op("cast", x, dtype="int64"), buckets=9)}

    drawn = golden_inputs(graph_of({"ids": TensorType(dtype, (BATCH, 50))}, build))["ids"]
    assert drawn.dtype == dtype
    lengths = {len(str(abs(int(number)))) for number in drawn.ravel()}
    longest = {"int64": 19, "int32": 10, "float32": 7}.get(dtype, 3)
    assert lengths == set(range(1, max(lengths) + 1))
    assert longest - 1 <= max(lengths) <= longest
    assert (drawn.min() < 0) == (dtype != "uint8")


def test_inputs_are_the_same_in_any_process() -> None:
    code = (
        "import hashlib; from kexport.ir import *; from kexport.reference import golden_inputs;"
        "b = Builder(); v = [b.input(n, TensorType(d, (2, 5))) for n, d in [('b', 'float32'), ('a', 'int32')]];"
        "g = Graph('g', v, [b.op('identity', x) for x in v], b.nodes, ['b', 'a'], ['c', 'd']);"
        "print([hashlib.sha256(a.tobytes()).hexdigest() for a in golden_inputs(g).values()])"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", code],
            check=True,
            capture_output=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [("uint8", 0, 255), ("int8", 0, 9), ("int32", 0, 9), ("int64", 0, 9), ("uint16", 0, 9), ("bool", 0, 1)],
)
def test_integers_and_bools_are_drawn_from_a_range(dtype: str, low: int, high: int) -> None:
    drawn = golden_inputs(float_graph((BATCH, 3000), dtype))["x"]
    assert drawn.dtype == np.dtype(dtype)
    assert (int(drawn.min()), int(drawn.max())) == (low, high)


def embedding(dtype: str, rows: int, offset: float = 0, scale: int = 1) -> Graph:
    def body(b: Builder, x: Value) -> Mapping[str, Value]:
        ids = b.op("reshape", b.op("cast", x, dtype="int32"), shape=(BATCH, 5, 2))
        ids = b.op("mul", ids, b.constant(np.int32(scale)))
        ids = b.op("add", ids, b.constant(np.int32(offset)))
        table = b.constant(np.arange(rows * 3, dtype=np.float32).reshape(rows, 3))
        return {"y": b.op("gather", table, ids)}

    return graph_of({"ids": TensorType(dtype, (BATCH, 10))}, body)


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", "float32", "float16"])
def test_indices_are_within_the_table(dtype: str) -> None:
    drawn = golden_inputs(embedding(dtype, 7), samples=200)["ids"]
    assert drawn.dtype == np.dtype(dtype)
    assert set(np.unique(drawn)) == set(range(7))


def test_arithmetic_before_the_table_shifts_the_range() -> None:
    drawn = golden_inputs(embedding("int32", 9, offset=-3, scale=2), samples=500)["ids"]
    assert (drawn.min(), drawn.max()) == (2, 5)  # 2 * x - 3 is within 0..8


@settings(max_examples=50)
@given(rows=st.integers(1, 40), offset=st.integers(-20, 20), scale=st.sampled_from([-3, -1, 1, 2, 5]))
def test_every_derived_index_has_a_row(rows: int, offset: int, scale: int) -> None:
    graph = embedding("int32", rows, offset, scale)
    drawn = golden_inputs(graph, samples=20)["ids"]
    ids = drawn.astype(np.int64) * scale + offset
    possible = any(0 <= scale * x + offset < rows for x in range(-100, 100))
    assert not possible or (ids.min() >= 0 and ids.max() < rows)


def test_the_smallest_of_several_tables_counts() -> None:
    def body(b: Builder, x: Value) -> Mapping[str, Value]:
        big = b.op("gather", b.constant(np.zeros((50, 2), np.float32)), x)
        return {"big": big, "hot": b.op("one_hot", b.op("squeeze", x, axes=(1,)), depth=3)}

    graph = graph_of({"ids": TensorType("int32", (BATCH, 1))}, body)
    assert golden_inputs(graph, samples=100)["ids"].max() == 2


def scaled(*steps: tuple[str, object], shape: tuple[dims.Dim, ...] = (BATCH, 6, 6, 3)) -> Graph:
    def body(b: Builder, x: Value) -> Mapping[str, Value]:
        for op, number in steps:
            x = b.op(op, x, b.constant(np.asarray(number, np.float32)))
        return {"y": x}

    return graph_of({"image": TensorType("float32", shape)}, body)


@pytest.mark.parametrize(
    "steps", [[("mul", 1 / 255)], [("mul", 1 / 127.5), ("sub", 1)], [("div", 255), ("sub", 0.5)]]
)
def test_rescaled_inputs_are_pixels(steps: list[tuple[str, object]]) -> None:
    drawn = golden_inputs(scaled(*steps), samples=20)["image"]
    assert 0 <= drawn.min() < 5
    assert 250 < drawn.max() <= 255


def test_normalized_inputs_are_drawn_as_the_layer_expects_them() -> None:
    mean, deviation = np.array([100.0, -5.0, 0.0]), np.array([50.0, 0.1, 1.0])
    drawn = golden_inputs(scaled(("sub", mean), ("div", deviation)), samples=50)["image"].reshape(-1, 3)
    np.testing.assert_allclose(drawn.mean(axis=0), mean, atol=6, rtol=0.2)
    np.testing.assert_allclose(drawn.std(axis=0), deviation, rtol=0.2)


def test_what_follows_a_rescaling_of_pixels_does_not_matter() -> None:
    steps: list[tuple[str, object]] = [("mul", 1 / 255), ("sub", [0.5, 0.4, 0.3]), ("div", [0.2, 0.3, 0.1])]
    drawn = golden_inputs(scaled(*steps), samples=20)["image"]
    assert 0 <= drawn.min() < 5
    assert 250 < drawn.max() <= 255


def test_a_constant_that_widens_the_input_is_no_scale_of_it() -> None:
    drawn = golden_inputs(scaled(("mul", np.full((1, 5), 100.0)), shape=(BATCH, 1)))["image"]
    assert drawn.shape == (4, 1)


def conv_graph(window: int, *, crop: int = 0, extra: str = "") -> Graph:
    def body(b: Builder, x: Value, *more: Value) -> Mapping[str, Value]:
        kernel = b.constant(np.ones((window, 2, 2), np.float32))
        y = b.op("conv", x, kernel, strides=(1,), padding=((0, 0),), dilations=(1,))
        if crop:
            y = b.op("slice", y, begin=(0, crop, 0), end=(None, -crop, None), strides=(1, 1, 1))
        if more:
            y = b.op(
                "add", y, b.op("slice", more[0], begin=(0, 0, 0), end=(None, None, None), strides=(1, 1, 1))
            )
        return {"y": y}

    inputs = {"x": TensorType("float32", (BATCH, TIME, 2))}
    if extra:
        inputs["z"] = TensorType("float32", (BATCH, symbol(extra), 2))
    return graph_of(inputs, body)


def test_the_least_length_is_exact() -> None:
    graph = conv_graph(11, crop=5000)
    assert least_lengths(graph) == {"time": 10_011}
    drawn = golden_inputs(graph, samples=1)["x"]
    assert 10_011 < drawn.shape[1] < 10_030


@settings(max_examples=30)
@given(window=st.integers(1, 300), crop=st.integers(0, 2000))
def test_golden_inputs_always_run(window: int, crop: int) -> None:
    graph = conv_graph(window, crop=crop)
    least = least_lengths(graph)["time"]
    assert least == window + 2 * crop
    (y,) = evaluate(graph, [golden_inputs(graph, samples=1)["x"]])
    assert y.shape[1] >= 1


def test_inputs_that_are_added_get_lengths_that_fit() -> None:
    def body(b: Builder, x: Value, z: Value) -> Mapping[str, Value]:
        return {"y": b.op("add", x, z)}

    shapes = {
        "x": TensorType("float32", (BATCH, TIME, 2)),
        "z": TensorType("float32", (BATCH, symbol("time_1"), 2)),
    }
    drawn = golden_inputs(graph_of(shapes, body))
    assert drawn["x"].shape == drawn["z"].shape


def test_inputs_that_are_not_combined_get_lengths_of_their_own() -> None:
    def body(b: Builder, x: Value, z: Value) -> Mapping[str, Value]:
        return {"y": b.op("relu", x), "w": b.op("relu", z)}

    shapes = {
        "x": TensorType("float32", (BATCH, TIME)),
        "z": TensorType("float32", (BATCH, symbol("time_1"))),
    }
    lengths = choose_lengths(graph_of(shapes, body))
    assert lengths["time"] != lengths["time_1"]


def test_an_input_cropped_by_another_gets_a_longer_one() -> None:
    def body(b: Builder, x: Value, z: Value) -> Mapping[str, Value]:
        shorter = dims.subtract(TIME, symbol("other"))
        return {
            "y": b.op("broadcast_to", b.op("reduce_sum", x, axes=(1,), keepdims=True), shape=(1, shorter))
        }

    shapes = {"x": TensorType("float32", (1, TIME)), "z": TensorType("float32", (1, symbol("other")))}
    lengths = choose_lengths(graph_of(shapes, body))
    assert lengths["time"] > lengths["other"]


def test_lengths_halved_and_doubled_are_multiples() -> None:
    def body(b: Builder, x: Value) -> Mapping[str, Value]:
        pool = {"window": (2, 2), "strides": (2, 2), "padding": ((0, 0), (0, 0))}
        y = b.op("max_pool", b.op("max_pool", x, **pool), **pool)
        height, width = (dims.multiply(4, dim) for dim in y.shape[1:3])
        y = b.op("resize", y, size=(height, width), method="nearest")
        return {"y": b.op("concat", x, y, axis=3)}

    graph = graph_of({"x": TensorType("float32", (BATCH, symbol("height"), symbol("width"), 1))}, body)
    lengths = choose_lengths(graph)
    assert lengths["height"] % 4 == lengths["width"] % 4 == 0


def test_no_possible_length_is_an_error() -> None:
    def body(b: Builder, x: Value) -> Mapping[str, Value]:
        nothing = dims.subtract(dims.floor_div(TIME, 2), TIME)
        return {
            "y": b.op("broadcast_to", b.op("reduce_sum", x, axes=(1,), keepdims=True), shape=(1, nothing))
        }

    with pytest.raises(UsageError, match="No lengths"):
        golden_inputs(graph_of({"x": TensorType("float32", (1, TIME))}, body))


def test_lengths_may_be_given() -> None:
    graph = conv_graph(3)
    assert golden_inputs(graph, lengths={"time": 5})["x"].shape == (4, 5, 2)
    with pytest.raises(UsageError, match="Received: width=5"):
        golden_inputs(graph, lengths={"width": 5})
    with pytest.raises(UsageError, match="time=0"):
        golden_inputs(graph, lengths={"time": 0})


def test_sample_counts() -> None:
    assert golden_inputs(float_graph((1, 4)))["x"].shape == (4, 4)
    assert golden_inputs(float_graph((1, 4)), samples=3)["x"].shape == (3, 4)
    assert golden_inputs(float_graph((1, 5000, 5000)))["x"].shape[0] == 2
    with pytest.raises(UsageError, match="Received: 0"):
        golden_inputs(float_graph(), samples=0)


# --- the user's own ---------------------------------------------------------------------------------------------------


def two_inputs() -> Graph:
    def body(b: Builder, x: Value, ids: Value) -> Mapping[str, Value]:
        return {"y": b.op("relu", x), "e": b.op("gather", b.constant(np.zeros((6, 2), np.float32)), ids)}

    return graph_of({"x": TensorType("float32", (1, TIME, 2)), "ids": TensorType("int32", (1, 3))}, body)


def test_samples_are_taken_by_name_in_the_models_order(tmp_path: Path) -> None:
    np.savez(tmp_path / "s.npz", ids=np.zeros((2, 3), np.int64), x=np.ones((2, 9, 2)))
    samples = samples_from_file(tmp_path / "s.npz", two_inputs())
    assert list(samples) == ["x", "ids"]
    assert samples["x"].dtype == np.float32
    assert samples["ids"].dtype == np.int32


def test_one_input_needs_no_name(tmp_path: Path) -> None:
    graph = conv_graph(3)
    array = np.ones((2, 9, 2), np.float32)
    np.save(tmp_path / "s.npy", array)
    np.savez(tmp_path / "s.npz", array)
    for name in ("s.npy", "s.npz"):
        np.testing.assert_array_equal(samples_from_file(tmp_path / name, graph)["x"], array)


FINE = {"x": np.ones((2, 9, 2), np.float32), "ids": np.zeros((2, 3), np.int32)}
BAD_SAMPLES = {
    "missing": ({"x": FINE["x"]}, "an array for each input: x, ids. Received: x"),
    "unknown": ({**FINE, "z": FINE["x"]}, "Received: x, ids, z"),
    "rank": ({**FINE, "x": np.ones((2, 9))}, "'x' has shape (samples, time, 2). Received: (2, 9)"),
    "size": ({**FINE, "x": np.ones((2, 9, 3))}, "Received: (2, 9, 3)"),
    "empty": ({**FINE, "x": np.ones((2, 0, 2))}, "Received: (2, 0, 2)"),
    "floats for integers": ({**FINE, "ids": np.zeros((2, 3))}, "'ids' has dtype int32. Received: float64"),
    "text": ({**FINE, "x": np.full((2, 9, 2), "a")}, "'x' has dtype float32"),
    "counts": ({**FINE, "ids": np.zeros((3, 3), int)}, "the same number of samples"),
    "none": ({name: array[:0] for name, array in FINE.items()}, "at least one"),
    "index": ({**FINE, "ids": np.full((2, 3), 6)}, "within 0 to 5. Received: 6 to 6"),
    "too large": ({**FINE, "ids": np.full((2, 3), 2**40)}, "beyond int32"),
}


@pytest.mark.parametrize("case", BAD_SAMPLES)
def test_samples_that_do_not_fit_are_refused(tmp_path: Path, case: str) -> None:
    contents, expected = BAD_SAMPLES[case]
    np.savez(tmp_path / "s.npz", **contents)
    with pytest.raises(UsageError) as raised:
        samples_from_file(tmp_path / "s.npz", two_inputs())
    assert expected in str(raised.value)


def test_samples_too_short_for_the_model_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "s.npz", x=np.ones((1, 10, 2)))
    with pytest.raises(UsageError, match=r"'time': 10.*Least: .*'time': 11"):
        samples_from_file(tmp_path / "s.npz", conv_graph(11))


def test_a_damaged_file_of_samples_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s.npz").write_bytes(b"PK\x03\x04 and then nothing")
    with pytest.raises(ModelReadError):
        samples_from_file(tmp_path / "s.npz", conv_graph(3))
