"""The files: names, bytes, what the checker says, half precision, weights beside the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import kexport
from kexport.errors import UsageError
from kexport.ir import Builder, Constant, TensorType, Value, dims
from kexport.verification.verify import run_artifact
from kexport_runtimes.onnxruntime import RUNTIME
from kexport_targets.onnx import schema, writer
from support import tiny
from support.graphs import Body, graph_of
from targets.onnx import complete

BATCH, TIME = dims.symbol("batch"), dims.symbol("time")
KERNEL = np.arange(12, dtype=np.float32).reshape(4, 3) - 5


def emitted(folder: Path, inputs: dict[str, TensorType], body: Body, **options: Any) -> Path:
    return complete.emitted(graph_of(inputs, body), folder, **options).main


def dense(b: Builder, x: Value) -> dict[str, Value]:
    return {"y": b.op("relu", b.op("dense", x, b.constant(KERNEL), None))}


def test_numbers_are_those_of_the_format() -> None:
    names = {"float32": "FLOAT", "float64": "DOUBLE"}
    for dtype, number in schema.TENSOR_TYPES.items():
        assert onnx.TensorProto.DataType.Value(names.get(dtype, dtype.upper())) == number
    for opset, version in schema.IR_VERSIONS.items():
        assert onnx.helper.OP_SET_ID_VERSION_MAP["ai.onnx", opset] == version


def test_the_model_has_the_names_and_open_dimensions_of_its_own(tmp_path: Path) -> None:
    path = emitted(tmp_path, {"the x": TensorType("float32", (BATCH, TIME, 4))}, dense)
    model = onnx.load(path)
    onnx.checker.check_model(str(path), full_check=True)
    (port,) = model.graph.input
    assert port.name == "the x"
    assert [dim.dim_param or dim.dim_value for dim in port.type.tensor_type.shape.dim] == ["batch", "time", 4]
    assert [port.name for port in model.graph.output] == ["y"]
    assert model.producer_name == "kexport"
    assert len({node.name for node in model.graph.node}) == len(model.graph.node)


def test_an_output_that_is_called_like_an_input_is_found_by_its_name_in_the_file(tmp_path: Path) -> None:
    graph = graph_of({"x": TensorType("float32", (2, 3))}, lambda b, x: {"x": x, "y": b.op("exp", x)})
    artifact = complete.emitted(graph, tmp_path)
    assert [port.artifact_name for port in artifact.signature.outputs] == ["x/output", ""]
    x = np.ones((2, 3), np.float32)
    np.testing.assert_array_equal(run_artifact(artifact, RUNTIME, {"x": x})["x"], x)


def test_outputs_that_are_inputs_or_the_same(tmp_path: Path) -> None:
    def body(b: Builder, x: Value) -> dict[str, Value]:
        y = b.op("exp", x)
        return {"x": y, "again": y, "given": x, "constant": b.constant(KERNEL)}

    path = emitted(tmp_path, {"in": TensorType("float32", (2, 3))}, body)
    onnx.checker.check_model(str(path), full_check=True)
    x = np.ones((2, 3), np.float32)
    outputs = RUNTIME.run(path, {"in": x})
    assert set(outputs) == {"x", "again", "given", "constant"}
    np.testing.assert_array_equal(outputs["given"], x)
    np.testing.assert_array_equal(outputs["again"], outputs["x"])
    np.testing.assert_array_equal(outputs["constant"], KERNEL)


def test_the_same_bytes(tmp_path: Path) -> None:
    files = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        path = emitted(tmp_path / name, {"x": TensorType("float32", (BATCH, 4))}, dense)
        files.append(path.read_bytes())
    assert files[0] == files[1]


def test_half_precision_weights(tmp_path: Path) -> None:
    kernel = np.random.default_rng(0).normal(size=(64, 8)).astype(np.float32)

    def body(b: Builder, x: Value) -> dict[str, Value]:
        return {"y": b.op("dense", x, b.constant(kernel), None)}

    path = emitted(tmp_path, {"x": TensorType("float32", (2, 64))}, body, float16=True)
    assert {item.data_type for item in onnx.load(path).graph.initializer} == {schema.TENSOR_TYPES["float16"]}
    x = np.random.default_rng(1).normal(size=(2, 64)).astype(np.float32)
    np.testing.assert_allclose(RUNTIME.run(path, {"x": x})["y"], x @ kernel, atol=2e-2)
    assert path.stat().st_size < kernel.nbytes


def test_weights_beside_a_large_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "MOST_INSIDE", 1000)
    kernel = np.random.default_rng(0).normal(size=(64, 80)).astype(np.float32)

    def body(b: Builder, x: Value) -> dict[str, Value]:
        return {
            "y": b.op("dense", b.op("dense", x, b.constant(kernel), None), b.constant(kernel.T.copy()), None)
        }

    path = emitted(tmp_path, {"x": TensorType("float32", (2, 64))}, body)
    assert path.stat().st_size < 2000
    beside = path.with_name("model.onnx.data")
    assert beside.stat().st_size >= 2 * kernel.nbytes
    onnx.checker.check_model(str(path), full_check=True)
    x = np.ones((2, 64), np.float32)
    np.testing.assert_allclose(RUNTIME.run(path, {"x": x})["y"], x @ kernel @ kernel.T, rtol=1e-5)


@pytest.mark.slow
def test_a_model_of_more_than_2_gb(tmp_path: Path) -> None:
    """Its weights are read one at a time, stand beside the file, and are mapped where they lie."""
    rows, columns = 16_384, 13_000
    scale = np.float32(2.0**-7)

    def read(number: int) -> Constant:
        def kernel() -> np.ndarray:
            return np.full((rows, columns), scale * number, np.float32)

        return Constant.lazy("float32", (rows, columns), kernel)

    def body(b: Builder, x: Value) -> dict[str, Value]:
        made = [b.op("dense", x, b.constant(read(number)), None) for number in (1, 2, 3)]
        return {f"y{index}": b.op("reduce_mean", y, axes=(1,)) for index, y in enumerate(made)}

    path = emitted(tmp_path, {"x": TensorType("float32", (BATCH, rows))}, body)
    beside = path.with_name("model.onnx.data")
    assert beside.stat().st_size > 2 << 30
    assert path.stat().st_size < 10_000
    onnx.checker.check_model(str(path), full_check=True)
    outputs = RUNTIME.run(path, {"x": np.ones((1, rows), np.float32)})
    for index in range(3):
        np.testing.assert_allclose(outputs[f"y{index}"], [128.0 * (index + 1)], rtol=1e-6)


def test_an_operator_set_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"13 to 28\. Received: opset=12"):
        emitted(tmp_path, {"x": TensorType("float32", (2, 4))}, dense, opset=12)


def test_an_export_is_open_in_the_batch_unless_it_is_said(tmp_path: Path) -> None:
    model, golden = tiny.write_model(tmp_path / "tiny.h5"), tiny.write_golden(tmp_path / "tiny.npz")
    for batch, shape in ((None, "batch"), (3, 3)):
        result = kexport.export(
            model, "onnx", golden=golden, batch=batch, output=tmp_path / f"out{batch}", opset=15
        )
        assert result.verified
        assert result.targets[0].signature.inputs[0].type.shape[0] == (shape if batch else BATCH)
        assert onnx.load(result.artifact).opset_import[0].version == 15
