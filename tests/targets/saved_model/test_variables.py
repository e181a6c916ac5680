"""Weights outside of the graph: in a checkpoint, or narrow until the model is loaded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kexport
from kexport.errors import UsageError
from kexport.ir import Builder, Constant, TensorType, Value, dims
from kexport_runtimes.tensorflow import RUNTIME
from kexport_targets.saved_model import FROZEN_GRAPH, TARGET
from kexport_targets.saved_model import target as target_module
from support import tiny
from support.comparing import assert_close
from support.graphs import graph_of
from support.recurrent import Drawn

BATCH, TIME = dims.symbol("batch"), dims.symbol("time")
SIDE = Path(__file__).with_name("checkpoint_side.py")

rng = np.random.default_rng(0)
KERNEL = rng.normal(size=(40, 30)).astype("f4")
LEVELS = rng.integers(-127, 128, (30, 51)).astype("f4")
NIBBLES = rng.integers(-8, 8, (51, 27)).astype("f4")  # an odd number of them
X = rng.normal(size=(3, 40)).astype("f4")


def products(b: Builder, x: Value) -> dict[str, Value]:
    x = b.op("dense", x, b.constant(KERNEL), None)
    x = b.op("dense", x, b.constant(Constant.of(LEVELS).known_as("int8")), None)
    return {"y": b.op("dense", x, b.constant(Constant.of(NIBBLES).known_as("int4")), None)}


def write(folder: Path, weights_in: str, types: Any = None, body: Any = products) -> Path:
    folder.mkdir(parents=True)
    graph = graph_of(types or {"x": TensorType("float32", (BATCH, 40))}, body)
    artifact = TARGET.emit(TARGET.legalize(graph, {}), folder, {"weights_in": weights_in})
    assert {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()} == set(artifact.files)
    return folder / artifact.main


def test_tensorflow_reads_them(tmp_path: Path) -> None:
    """Many: the table's index has several blocks."""

    def many(b: Builder, x: Value) -> dict[str, Value]:
        for index in range(1, 121):
            weight = np.full((16, 16), index, "f4")
            x = b.op("add", x, b.constant(weight, name=f"a_layer_of_{index:03}/weight"))
        return {"y": x}

    drawn = Drawn("lstm", 2, 4, 3, 20, ("tanh", "sigmoid"), True, False, False, False, False, False)
    loop, inputs = drawn.graph(BATCH, TIME), drawn.inputs()
    (tmp_path / "loop").mkdir()
    folders = [
        write(tmp_path / "graph", weights_in="graph"),
        write(tmp_path / "checkpoint", weights_in="variables"),
        write(
            tmp_path / "many", weights_in="variables", types={"x": TensorType("float32", (16, 16))}, body=many
        ),
        tmp_path
        / "loop"
        / TARGET.emit(TARGET.legalize(loop, {}), tmp_path / "loop", {"weights_in": "variables"}).main,
    ]
    given = [{"x": X}, {"x": X}, {"x": np.zeros((16, 16), "f4")}, inputs]
    jobs = []
    for index, (folder, arrays) in enumerate(zip(folders, given, strict=True)):
        files = {key: str(tmp_path / f"{key}{index}.npz") for key in ("inputs", "outputs")}
        np.savez(files["inputs"], **arrays)
        jobs.append({"folder": str(folder), **files})
    (tmp_path / "jobs.json").write_text(json.dumps(jobs))
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-W", "ignore", str(SIDE), str(tmp_path / "jobs.json")]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert not done.returncode, done.stderr[-3000:]
    said = json.loads(done.stdout)
    assert [item["cpp"] for item in said] == ["loaded"] * 4
    for folder, arrays, job in zip(folders, given, jobs, strict=True):
        in_session = RUNTIME.run(folder, arrays)
        with np.load(job["outputs"]) as outputs:
            for name, array in in_session.items():
                assert_close(outputs[name], array)
    for folder in folders[:2]:
        assert_close(RUNTIME.run(folder, {"x": X})["y"], X @ KERNEL @ LEVELS @ NIBBLES)
    assert RUNTIME.run(folders[2], given[2])["y"][3, 5] == sum(range(121))
    held = [sorted((item["dtype"], *item["shape"]) for item in entry["held"].values()) for entry in said]
    assert held[:2] == [[], [("float32", 40, 30), ("int8", 30, 51), ("uint8", (51 * 27 + 1) // 2)]]
    assert len(held[2]) == 120
    assert {item["sum"] for item in said[2]["held"].values()} == {256.0 * index for index in range(1, 121)}
    assert held[3]


def test_narrow_weights_stay_narrow_in_the_file(tmp_path: Path) -> None:
    folder = write(tmp_path / "narrow", weights_in="graph")
    weights = KERNEL.nbytes + LEVELS.size + (NIBBLES.size + 1) // 2
    assert weights < (folder / "saved_model.pb").stat().st_size < weights + 4000


def test_a_graph_stays_small(tmp_path: Path) -> None:
    folder = write(tmp_path / "small", weights_in="variables")
    assert (folder / "saved_model.pb").stat().st_size < 4000
    data = folder / "variables" / "variables.data-00000-of-00001"
    assert data.stat().st_size == KERNEL.nbytes + LEVELS.size + (NIBBLES.size + 1) // 2
    assert data.read_bytes().startswith(KERNEL.tobytes())


def test_narrow_weights_are_widened_in_a_frozen_graph(tmp_path: Path) -> None:
    graph = graph_of({"x": TensorType("float32", (BATCH, 40))}, products)
    artifact = FROZEN_GRAPH.emit(FROZEN_GRAPH.legalize(graph, {}), tmp_path, {})
    assert "VarHandleOp" not in artifact.details["ops"]
    assert_close(RUNTIME.run(tmp_path / artifact.main, {"x": X})["y"], X @ KERNEL @ LEVELS @ NIBBLES)


def test_the_same_bytes(tmp_path: Path) -> None:
    one, other = (write(tmp_path / name, weights_in="variables") for name in "ab")
    for path in one.rglob("*.*"):
        assert path.read_bytes() == (other / path.relative_to(one)).read_bytes()


def test_a_large_model_keeps_them_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large: here, of as many bytes as this one has, but for one."""
    size = KERNEL.nbytes + LEVELS.nbytes + NIBBLES.nbytes
    index = Path("variables", "variables.index")
    monkeypatch.setattr(target_module, "MOST_BY_ITSELF", size)
    assert not (write(tmp_path / "small", weights_in="auto") / index).exists()
    monkeypatch.setattr(target_module, "MOST_BY_ITSELF", size - 1)
    assert (write(tmp_path / "large", weights_in="auto") / index).is_file()
    assert not (write(tmp_path / "asked", weights_in="graph") / index).exists()
    monkeypatch.setattr(target_module, "MOST_IN_GRAPH", size - 1)
    with pytest.raises(UsageError, match=r"less than 2\.1 GB, and the weights are 0\.0 GB"):
        write(tmp_path / "refused", weights_in="graph")
    with pytest.raises(UsageError, match=r"--weights-in is auto, graph or variables\. Received: 'disk'"):
        write(tmp_path / "nowhere", weights_in="disk")


def test_an_export_with_variables(tmp_path: Path) -> None:
    model, golden = tiny.write_model(tmp_path / "tiny.h5"), tiny.write_golden(tmp_path / "tiny.npz")
    result = kexport.export(
        model, "saved_model", golden=golden, output=tmp_path / "out", weights_in="variables"
    )
    assert result.verified
    # Its weights are too small to be worth a variable.
    assert "VarHandleOp" not in result.targets[0].details["ops"]


@pytest.mark.slow
def test_more_than_two_gigabytes(tmp_path: Path) -> None:
    """2.4 GB in two tensors, read when their turn comes."""
    rows, columns = 30_000, 10_000

    def weights(seed: int, shape: tuple[int, int]) -> np.ndarray:
        return np.random.default_rng(seed).random(shape, np.float32) - np.float32(0.5)

    def body(b: Builder, x: Value) -> dict[str, Value]:
        for seed, shape in enumerate([(rows, columns), (columns, rows)]):
            lazy = Constant.lazy("float32", shape, lambda seed=seed, shape=shape: weights(seed, shape))
            x = b.op("dense", x, b.constant(lazy), None)
        return {"y": x}

    folder = write(
        tmp_path / "large", weights_in="auto", types={"x": TensorType("float32", (BATCH, rows))}, body=body
    )
    assert (folder / "variables" / "variables.data-00000-of-00001").stat().st_size == 2 * rows * columns * 4
    x = np.random.default_rng(9).random((1, rows), np.float32)
    expected = x @ weights(0, (rows, columns)) @ weights(1, (columns, rows))
    assert_close(RUNTIME.run(folder, {"x": x})["y"], expected)
