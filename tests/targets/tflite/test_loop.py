"""Loops: a scan on LiteRT computes what it computes in NumPy, whatever its body returns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kexport.ir import Builder, Graph, TensorType, Value, symbol
from kexport.ir.evaluate import evaluate
from kexport_runtimes.litert import RUNTIME
from kexport_targets.tflite import TARGET
from support.comparing import assert_close
from support.graphs import graph_of

OPTIONS = {"float16": False}
TIME, BATCH = symbol("time"), symbol("batch")

Step = Callable[[Builder, list[Value], list[Value]], tuple[list[Value], list[Value]]]


def scan(b: Builder, sequences: Sequence[Value], states: Sequence[Value], step: Step) -> list[Value]:
    inside = Builder(b.names)
    steps = [inside.input("step", TensorType(v.dtype, v.shape[1:])) for v in sequences]
    before = [inside.input("state", v.type) for v in states]
    outputs, after = step(inside, steps, before)
    inputs, results = [*steps, *before], [*outputs, *after]
    names = [v.name for v in inputs], [f"r{i}" for i in range(len(results))]
    body = Graph("body", inputs, results, inside.nodes, *names)
    return b.ops("scan", *sequences, *states, body=body, sequences=len(sequences), states=len(states))


def check(types: dict[str, TensorType], body: Any, inputs: dict[str, Any], folder: Path) -> dict[str, int]:
    wanted = evaluate(graph_of(types, body), list(inputs.values()))
    names = graph_of(types, body).output_names
    artifact = TARGET.emit(TARGET.legalize(graph_of(types, body), OPTIONS), folder, OPTIONS)
    for _ in range(2):  # nothing stays from one run to the next
        computed = RUNTIME.run(folder / artifact.main, inputs)
        for name, array in zip(names, wanted, strict=True):
            assert_close(computed[name], array)
    return dict(artifact.details["ops"])


def cell(b: Builder, steps: list[Value], states: list[Value]) -> tuple[list[Value], list[Value]]:
    """A leaky sum, squashed: h = tanh(x + h W)."""
    kernel = b.constant(np.random.default_rng(1).normal(size=(3, 3)), "float32")
    h = b.op("tanh", b.op("add", steps[0], b.op("dense", states[0], kernel)))
    return [h], [h]


def sample(*shape: int) -> Any:
    return np.random.default_rng(4).normal(size=shape).astype("f4")


@pytest.mark.parametrize(("time", "batch"), [(15, 2), (TIME, 2), (15, BATCH), (TIME, BATCH)])
def test_lengths_known_or_not(time: Any, batch: Any, tmp_path: Path) -> None:
    def body(b: Builder, x: Value, h: Value) -> dict[str, Value]:
        sequence, last = scan(b, [x], [h], cell)
        return {"sequence": sequence, "last": last}

    types = {"x": TensorType("float32", (time, batch, 3)), "h": TensorType("float32", (batch, 3))}
    others = (7 if time is TIME else 15, 3 if batch is BATCH else 2)
    for length, size in dict.fromkeys([(15, 2), others]):
        folder = tmp_path / f"{length}x{size}"
        folder.mkdir()
        check(types, body, {"x": sample(length, size, 3), "h": sample(size, 3)}, folder)


def test_what_nothing_reads_has_no_buffer(tmp_path: Path) -> None:
    def body(b: Builder, x: Value, h: Value) -> dict[str, Value]:
        return {"last": scan(b, [x], [h], cell)[1]}

    types = {"x": TensorType("float32", (15, 2, 3)), "h": TensorType("float32", (2, 3))}
    ops = check(types, body, {"x": sample(15, 2, 3), "h": sample(2, 3)}, tmp_path)
    assert "DYNAMIC_UPDATE_SLICE" not in ops


def test_states_that_change_places_stay_or_are_constant(tmp_path: Path) -> None:
    def step(b: Builder, steps: list[Value], states: list[Value]) -> tuple[list[Value], list[Value]]:
        a, c, d, _ = states
        ones = b.constant(np.ones((2, 3)), "float32")
        return [b.op("add", a, steps[0]), steps[0]], [c, a, d, ones]

    def body(b: Builder, x: Value, *h: Value) -> dict[str, Value]:
        return {f"y{i}": value for i, value in enumerate(scan(b, [x], h, step))}

    types = {"x": TensorType("float32", (15, 2, 3))} | {
        f"h{i}": TensorType("float32", (2, 3)) for i in range(4)
    }
    check(types, body, {"x": sample(15, 2, 3)} | {f"h{i}": sample(2, 3) + i for i in range(4)}, tmp_path)


def test_one_value_as_two_states(tmp_path: Path) -> None:
    def step(b: Builder, steps: list[Value], states: list[Value]) -> tuple[list[Value], list[Value]]:
        total = b.op("tanh", b.op("add", b.op("mul", states[0], states[1]), steps[0]))
        return [total], [total, total]

    def body(b: Builder, x: Value, h: Value, g: Value) -> dict[str, Value]:
        return {f"y{i}": value for i, value in enumerate(scan(b, [x], [h, g], step))}

    types = {
        "x": TensorType("float32", (14, 3)),
        "h": TensorType("float32", (3,)),
        "g": TensorType("float32", (3,)),
    }
    check(types, body, {"x": sample(14, 3), "h": sample(3), "g": sample(3)}, tmp_path)


def test_other_dtypes_and_ops_that_need_rewrites(tmp_path: Path) -> None:
    def step(b: Builder, steps: list[Value], states: list[Value]) -> tuple[list[Value], list[Value]]:
        counts, x = steps
        number = b.op("add", states[0], b.op("cast", counts, dtype="int32"))
        chosen = b.op("select", counts, b.op("silu", x), b.op("softplus", states[1]))
        return [number, chosen], [number, chosen]

    def body(b: Builder, m: Value, x: Value, n: Value, h: Value) -> dict[str, Value]:
        return {f"y{i}": value for i, value in enumerate(scan(b, [m, x], [n, h], step))}

    types = {
        "m": TensorType("bool", (16, 4)),
        "x": TensorType("float32", (16, 4)),
        "n": TensorType("int32", (4,)),
        "h": TensorType("float32", (4,)),
    }
    mask = np.random.default_rng(2).random((16, 4)) < 0.5
    inputs = {"m": mask, "x": sample(16, 4), "n": np.zeros(4, np.int32), "h": sample(4)}
    check(types, body, inputs, tmp_path)


def test_a_loop_in_a_loop(tmp_path: Path) -> None:
    def outer(b: Builder, steps: list[Value], states: list[Value]) -> tuple[list[Value], list[Value]]:
        _, last = scan(b, [steps[0]], [states[0]], cell)
        return [last], [last]

    def body(b: Builder, x: Value, h: Value) -> dict[str, Value]:
        return {f"y{i}": value for i, value in enumerate(scan(b, [x], [h], outer))}

    types = {"x": TensorType("float32", (13, 14, 2, 3)), "h": TensorType("float32", (2, 3))}
    ops = check(types, body, {"x": sample(13, 14, 2, 3), "h": sample(2, 3)}, tmp_path)
    assert ops["WHILE"] == 2


@pytest.mark.parametrize("batch", [2, BATCH])
@pytest.mark.parametrize("time", [64, 53, 40])
def test_long_loops_are_cut_into_blocks(time: int, batch: Any, tmp_path: Path) -> None:
    """Whatever is left over for the last of them; what the steps compute has a rank of its own each."""

    def step(b: Builder, steps: list[Value], states: list[Value]) -> tuple[list[Value], list[Value]]:
        (wide,), (h,) = cell(b, steps, states)
        columns = b.op("tile", b.op("expand_dims", wide, axes=(2,)), multiples=(1, 1, 500))
        return [columns, b.op("reduce_sum", wide, axes=(0, 1))], [h]

    def body(b: Builder, x: Value, h: Value) -> dict[str, Value]:
        return {f"y{i}": value for i, value in enumerate(scan(b, [x], [h], step))}

    types = {"x": TensorType("float32", (time, batch, 3)), "h": TensorType("float32", (batch, 3))}
    ops = check(types, body, {"x": sample(time, 2, 3), "h": sample(2, 3)}, tmp_path)
    assert ops["WHILE"] > 5


def test_a_very_long_loop_has_so_many_blocks_and_no_more(tmp_path: Path) -> None:
    def step(b: Builder, steps: list[Value], states: list[Value]) -> tuple[list[Value], list[Value]]:
        total = b.op("add", states[0], steps[0])
        return [total], [total]

    def body(b: Builder, x: Value, h: Value) -> dict[str, Value]:
        return {f"y{i}": value for i, value in enumerate(scan(b, [x], [h], step))}

    types = {"x": TensorType("float32", (1000, 5000)), "h": TensorType("float32", (5000,))}
    ops = check(types, body, {"x": sample(1000, 5000), "h": sample(5000)}, tmp_path)
    assert ops["WHILE"] <= 64


def test_short_loops_are_written_out(tmp_path: Path) -> None:
    def body(b: Builder, x: Value, h: Value) -> dict[str, Value]:
        return {f"y{i}": value for i, value in enumerate(scan(b, [x], [h], cell))}

    types = {"x": TensorType("float32", (12, 2, 3)), "h": TensorType("float32", (2, 3))}
    assert "WHILE" not in check(types, body, {"x": sample(12, 2, 3), "h": sample(2, 3)}, tmp_path)


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_half_and_double_precision_inside(dtype: str, tmp_path: Path) -> None:
    def step(b: Builder, steps: list[Value], states: list[Value]) -> tuple[list[Value], list[Value]]:
        h = b.op("tanh", b.op("add", steps[0], b.op("mul", states[0], b.constant(0.5, dtype))))
        return [h], [h]

    def body(b: Builder, x: Value, h: Value) -> dict[str, Value]:
        low = [b.op("cast", value, dtype=dtype) for value in (x, h)]
        return {"y": b.op("cast", scan(b, [low[0]], [low[1]], step)[0], dtype="float32")}

    types = {"x": TensorType("float32", (14, 3)), "h": TensorType("float32", (3,))}
    wanted = graph_of(types, body)
    inputs = {"x": sample(14, 3), "h": sample(3)}
    artifact = TARGET.emit(TARGET.legalize(graph_of(types, body), OPTIONS), tmp_path, OPTIONS)
    (expected,) = evaluate(wanted, list(inputs.values()))
    tolerance = 2e-3 if dtype == "float16" else 1e-5  # NumPy rounds each step to half precision, TF Lite none
    assert_close(RUNTIME.run(tmp_path / artifact.main, inputs)["y"], expected, tolerance)
