"""The ONNX Runtime runtime, on files that the ONNX target writes."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest

from kexport.ir import Builder, TensorType, Value, dims
from kexport_runtimes.onnxruntime import RUNTIME
from support.graphs import Body, graph_of
from targets.onnx import complete

BATCH = dims.symbol("batch")


def emitted(folder: Path, inputs: dict[str, TensorType], body: Body) -> Path:
    return complete.emitted(graph_of(inputs, body), folder).main


def two(b: Builder, z: Value, a: Value) -> dict[str, Value]:
    return {"sum": b.op("add", z, a), "product": b.op("mul", z, a)}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    shape = TensorType("float32", (BATCH, 2))
    return emitted(tmp_path, {"z": shape, "a": shape}, two)


def test_runs_by_name_at_any_batch(model: Path) -> None:
    for batch in (1, 3):
        z, a = np.full((batch, 2), 2, np.float32), np.full((batch, 2), 5, np.float32)
        outputs = RUNTIME.run(model, {"a": a, "z": z})
        np.testing.assert_array_equal(outputs["sum"], z + a)
        np.testing.assert_array_equal(outputs["product"], z * a)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"z": np.zeros((1, 2), np.float32)}, "'a' is missing"),
        ({name: np.zeros((1, 2), np.float32) for name in "zab"}, "no input 'b'"),
        ({name: np.zeros((1, 2)) for name in "za"}, "'z' of model.onnx is float32. Received: float64"),
        ({name: np.zeros((1, 3), np.float32) for name in "za"}, r"shape \(\?, 2\). Received: \(1, 3\)"),
        ({name: np.zeros(2, np.float32) for name in "za"}, r"Received: \(2\)"),
    ],
)
def test_wrong_inputs_are_named(model: Path, inputs: dict[str, np.ndarray], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        RUNTIME.run(model, inputs)


def test_a_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"not a model")
    with pytest.raises(RuntimeError, match=r"bad\.onnx can't be loaded"):
        RUNTIME.run(tmp_path / "bad.onnx", {})


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
    assert RUNTIME.version().startswith("onnxruntime 1.")


def _with_data(folder: Path, location: str, **fields: str) -> Path:
    """x + w, whose four floats stand at ``location``."""
    weight = onnx.TensorProto(name="w", data_type=1, dims=(4,), data_location=onnx.TensorProto.EXTERNAL)
    for key, value in {"location": location, "offset": "0", "length": "16", **fields}.items():
        weight.external_data.add(key=key, value=value)
    ports = [onnx.helper.make_tensor_value_info(name, 1, (4,)) for name in "xy"]
    node = onnx.helper.make_node("Add", ["x", "w"], ["y"])
    graph = onnx.helper.make_graph([node], "g", ports[:1], ports[1:], [weight])
    opset = [onnx.helper.make_opsetid("", 17)]
    path = folder / "model.onnx"
    path.write_bytes(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString())
    return path


@pytest.mark.parametrize(
    "where", ["../beside.bin", "{}/beside.bin", "link.bin", "none.bin", "*/_ORT_MEM_ADDR_/*"]
)
def test_weights_outside_the_folder_are_not_read(
    where: str, tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    (tmp_path / "beside.bin").write_bytes(bytes(4096))
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "link.bin").symlink_to(tmp_path / "beside.bin")
    path = _with_data(folder, where.format(tmp_path))
    with pytest.raises(RuntimeError, match=r"model\.onnx can't be loaded"):
        RUNTIME.run(path, {"x": np.zeros(4, np.float32)})
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("fields", [{"offset": "4096"}, {"offset": "-5"}, {"length": "8"}])
def test_weights_that_are_not_where_the_file_says(fields: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "in.bin").write_bytes(bytes(64))
    path = _with_data(tmp_path, "in.bin", **fields)
    with pytest.raises(RuntimeError, match=r"model\.onnx can't be loaded"):
        RUNTIME.run(path, {"x": np.zeros(4, np.float32)})


@pytest.mark.parametrize(
    ("name", "data"),
    [("m.onnx", b""), ("m.onnx", bytes(range(256)) * 9), ("m.ort", b"\x10\0\0\0ORTM" + bytes(range(256)))],
)
def test_files_that_are_none(name: str, data: bytes, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(RuntimeError, match="can't be loaded"):
        RUNTIME.run(path, {"x": np.zeros(4, np.float32)})
