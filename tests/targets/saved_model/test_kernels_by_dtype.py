"""Every op in every dtype: TensorFlow computes what the op means in NumPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kexport.ir import Array, dims
from kexport.ir.ops import known_ops
from kexport.ir.ops.recurrent import LAYOUTS
from kexport_runtimes.tensorflow import RUNTIME
from kexport_targets.saved_model import FROZEN_GRAPH, TARGET
from support import op_by_dtype
from support.comparing import assert_close
from support.graphs import expected, graph_from
from support.op_cases import (
    CASES,
    DTYPES,
    EXACT,
    INTEGERS,
    TEXT_OPS,
    Case,
    arrays_of,
    op_of,
    to_their_ends,
)
from support.recurrent import Drawn


def failures(name: str, case: Case, dtype: str, arrays: list[Array], folder: Path) -> list[str]:
    return op_by_dtype.failures(FROZEN_GRAPH, RUNTIME, {}, name, case, dtype, arrays, folder)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_op_in(dtype: str, tmp_path: Path) -> None:
    found = [
        text
        for name, case in CASES.items()
        if dtype in case.dtypes
        for text in failures(name, case, dtype, arrays_of(case, dtype), tmp_path)
    ]
    assert not found, "\n\n".join(found)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_of_any_size_in(dtype: str, tmp_path: Path) -> None:
    found = [
        text
        for name, less in EXACT.items()
        if dtype not in less
        for text in failures(name, CASES[name], dtype, to_their_ends(CASES[name], dtype), tmp_path)
    ]
    assert not found, "\n\n".join(found)


def test_every_op_is_tried() -> None:
    tried = set(map(op_of, CASES))
    beside = {"scan", "hash_bucket", "cross_hash", "lookup", *LAYOUTS, *TEXT_OPS}
    assert set(known_ops()) - beside <= tried


def test_float64_is_computed_in_float64(tmp_path: Path) -> None:
    case = CASES["dense"]
    graph = graph_from({"x0": ("float64", case.shape)}, case.body)
    x = np.random.default_rng(0).normal(size=case.shape)
    (truth,) = expected(graph, [x])
    artifact = FROZEN_GRAPH.emit(FROZEN_GRAPH.legalize(graph, {}), tmp_path, {})
    np.testing.assert_allclose(RUNTIME.run(tmp_path / artifact.main, {"x0": x})["y0"], truth, rtol=1e-14)


BATCH, TIME = dims.symbol("batch"), dims.symbol("time")


@pytest.mark.parametrize("op", sorted(LAYOUTS))
@pytest.mark.parametrize("mask", [False, True])
def test_loops_over_open_lengths(op: str, mask: bool, tmp_path: Path) -> None:
    drawn = Drawn(op, 3, 6, 4, 5, ("tanh", "sigmoid"), True, True, mask, False, True, True)
    graph = drawn.graph(BATCH, TIME)
    inputs = drawn.inputs()
    truth = expected(graph, [*inputs.values()])
    artifact = TARGET.emit(TARGET.legalize(graph, {}), tmp_path, {})
    outputs = RUNTIME.run(tmp_path / artifact.main, inputs)
    for index, array in enumerate(truth):
        assert_close(outputs[f"y{index}"], array)


def test_a_loop_in_a_loop(tmp_path: Path) -> None:
    from kexport.ir import Builder, Value
    from kexport.ir.loops import scan

    weights = np.random.default_rng(1).normal(size=(4, 4)).astype(np.float32)

    def body(b: Builder, x: Value, h: Value) -> list[Value]:
        def outer(steps: list[Value], states: list[Value]) -> tuple[list[Value], list[Value]]:
            def inner(rows: list[Value], sums: list[Value]) -> tuple[list[Value], list[Value]]:
                made = b.op("tanh", b.op("add", b.op("dense", rows[0], b.constant(weights), None), sums[0]))
                return [made], [made]

            (rows,), (last,) = scan(b, [steps[0]], states, inner)
            return [rows], [last]

        (steps,), (last,) = scan(b, [x], [h], outer)
        return [steps, last]

    graph = graph_from({"x": ("float32", (TIME, 3, BATCH, 4)), "h": ("float32", (BATCH, 4))}, body)
    rng = np.random.default_rng(2)
    inputs = {
        "x": rng.normal(size=(5, 3, 2, 4)).astype("f4"),
        "h": rng.normal(size=(2, 4)).astype("f4"),
    }
    truth = expected(graph, [*inputs.values()])
    artifact = TARGET.emit(TARGET.legalize(graph, {}), tmp_path, {})
    outputs = RUNTIME.run(tmp_path / artifact.main, inputs)
    for index, array in enumerate(truth):
        assert_close(outputs[f"y{index}"], array)


def test_a_loop_of_no_steps(tmp_path: Path) -> None:
    drawn = Drawn("gru", 3, 6, 4, 5, ("tanh", "sigmoid"), True, False, False, False, True, True)
    graph = drawn.graph(BATCH, TIME)
    artifact = TARGET.emit(TARGET.legalize(graph, {}), tmp_path, {})
    inputs = drawn.inputs()
    outputs = RUNTIME.run(tmp_path / artifact.main, {**inputs, "x": inputs["x"][:, :0]})
    assert outputs["y0"].shape == (3, 0, 5)
    np.testing.assert_array_equal(outputs["y2"], inputs["s0"])


HASHES = {"fast": {"buckets": 1000}, "strong": {"buckets": 1000, "key": (3, 5)}}


@pytest.mark.parametrize("how", HASHES)
def test_hashes(how: str, tmp_path: Path) -> None:
    graph = graph_from({"x": ("int64", (4, 6))}, lambda b, x: b.op("hash_bucket", x, **HASHES[how]))
    x = np.random.default_rng(0).integers(-(2**62), 2**62, (4, 6))
    (truth,) = expected(graph, [x])
    artifact = TARGET.emit(TARGET.legalize(graph, {}), tmp_path, {})
    np.testing.assert_array_equal(RUNTIME.run(tmp_path / artifact.main, {"x": x})["y0"], truth)
