"""The TensorFlow runtime, on what the SavedModel and frozen graph targets write."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from kexport.ir import Builder, TensorType, Value, dims
from kexport_runtimes.tensorflow import RUNTIME, process
from kexport_targets.saved_model import FROZEN_GRAPH, TARGET
from support.graphs import Body, graph_of

BATCH = dims.symbol("batch")


def emitted(folder: Path, inputs: dict[str, TensorType], body: Body, target: Any = TARGET) -> Path:
    return folder / target.emit(target.legalize(graph_of(inputs, body), {}), folder, {}).main


def two(b: Builder, z: Value, a: Value) -> dict[str, Value]:
    return {"sum": b.op("add", z, a), "product": b.op("mul", z, a)}


@pytest.fixture(params=[TARGET, FROZEN_GRAPH], ids=lambda target: target.name)
def model(request, tmp_path: Path) -> Path:
    shape = TensorType("float32", (BATCH, 2))
    return emitted(tmp_path, {"z": shape, "a": shape}, two, request.param)


def test_runs_by_name_at_any_batch_in_one_process(model: Path) -> None:
    for batch in (1, 3):
        z, a = np.full((batch, 2), 2, np.float32), np.full((batch, 2), 5, np.float32)
        outputs = RUNTIME.run(model, {"a": a, "z": z})
        np.testing.assert_array_equal(outputs["sum"], z + a)
        np.testing.assert_array_equal(outputs["product"], z * a)
    assert process.shared() is process.shared()


def test_the_caller_does_not_import_tensorflow(model: Path) -> None:
    script = (
        "import sys, pathlib, numpy as np; from kexport_runtimes.tensorflow import RUNTIME; x = np.ones((1, 2), np.float32); "
        "RUNTIME.run(pathlib.Path(sys.argv[1]), {'a': x, 'z': x}); assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script, str(model)], check=True)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        (
            {"z": np.zeros((1, 2), np.float32)},
            r"takes inputs '[az]', '[az]'.*Received: 'z'",
        ),
        ({name: np.zeros((1, 2), np.float32) for name in "zab"}, "Received: 'z', 'a', 'b'"),
        ({name: np.zeros((1, 2)) for name in "za"}, "'[az]' of .* is float32. Received: float64"),
        ({name: np.zeros((1, 3), np.float32) for name in "za"}, r"shape \(\?, 2\). Received: \(1, 3\)"),
        ({name: np.zeros(2, np.float32) for name in "za"}, r"Received: \(2\)"),
    ],
)
def test_wrong_inputs_are_named(model: Path, inputs: dict[str, np.ndarray], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        RUNTIME.run(model, inputs)


def test_a_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "bad.pb").write_bytes(b"not a model")
    with pytest.raises(RuntimeError, match=r"bad\.pb can't be loaded"):
        RUNTIME.run(tmp_path / "bad.pb", {})
    with pytest.raises(RuntimeError, match=r"can't be loaded"):
        RUNTIME.run(tmp_path, {})


def test_what_fails_while_it_is_computed_is_said(tmp_path: Path) -> None:
    def body(b: Builder, x: Value) -> dict[str, Value]:
        return {"y": b.op("gather", b.constant(np.arange(4, dtype=np.float32)), x)}

    path = emitted(tmp_path, {"x": TensorType("int32", (2,))}, body)
    with pytest.raises(RuntimeError, match=r"(?s)can't be computed:.*not in \[0, 4\)"):
        RUNTIME.run(path, {"x": np.array([1, 9], np.int32)})


def test_a_process_that_has_ended_is_replaced(model: Path) -> None:
    inputs = {name: np.zeros((1, 2), np.float32) for name in "za"}
    RUNTIME.run(model, inputs)
    process.shared()._process.kill()
    process.shared()._process.wait()
    assert RUNTIME.run(model, inputs)["sum"].shape == (1, 2)


def test_a_process_that_ends_in_a_run_is_an_error(model: Path, monkeypatch) -> None:
    worker = process.Worker(threads=1)
    worker._process.kill()
    with pytest.raises(RuntimeError, match="TensorFlow ended with"):
        worker.ask(model, {})
    worker.close()


def test_bfloat16_passes_as_float32(tmp_path: Path) -> None:
    path = emitted(tmp_path, {"x": TensorType("bfloat16", (3, 2))}, lambda b, x: {"y": b.op("identity", x)})
    x = np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32)
    expected = x.astype(ml_dtypes.bfloat16).astype(np.float32)
    np.testing.assert_array_equal(RUNTIME.run(path, {"x": x})["y"], expected)


def test_benchmark(model: Path) -> None:
    x = np.zeros((1, 2), np.float32)
    timed = RUNTIME.benchmark(model, {"z": x, "a": x}, runs=3, threads=1)
    assert 0 < timed["fastest"] <= timed["median"]
    assert (timed["runs"], timed["threads"]) == (3, 1)
    with pytest.raises(ValueError, match="at least 1 run"):
        RUNTIME.benchmark(model, {"z": x, "a": x}, runs=0, threads=1)


def test_it_is_there() -> None:
    assert RUNTIME.available() is None
    assert RUNTIME.version().startswith("tensorflow 2.")


def test_a_process_that_served_much_is_replaced(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.ones((1, 2), np.float32)
    first = process.shared()
    RUNTIME.run(model, {"a": x, "z": x})
    assert process.shared() is first
    monkeypatch.setattr(process, "_MOST_SERVED", first.served)
    second = process.shared()
    assert second is not first
    assert not first.alive()
    np.testing.assert_array_equal(RUNTIME.run(model, {"a": x, "z": x})["sum"], 2 * x)
