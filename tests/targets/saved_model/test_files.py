"""The files: names, bytes, numbers of the format, and what TensorFlow's own loaders make of them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kexport
from kexport.errors import UnsupportedOpError
from kexport.ir import Builder, Constant, TensorType, Value, dims
from kexport_runtimes.tensorflow import RUNTIME
from kexport_targets.saved_model import FROZEN_GRAPH, TARGET, schema, writer
from kexport_targets.saved_model.emit import plain_name
from kexport_targets.saved_model.legalize.dtypes import KERNELS
from support import tiny
from support.comparing import assert_close
from support.graphs import Body, expected, graph_of
from support.recurrent import Drawn

BATCH, TIME = dims.symbol("batch"), dims.symbol("time")
KERNEL = np.arange(12, dtype=np.float32).reshape(4, 3) - 5
SIDE = Path(__file__).with_name("tensorflow_side.py")

#: Graph op → operator, where the kernel's dtypes are those of its ``T``.
OPERATORS = {
    "dense": "MatMul",
    "pow": "Pow",
    "conv": "Conv2D",
    "conv_transpose": "Conv2DBackpropInput",
    "depthwise_conv": "DepthwiseConv2dNative",
    "avg_pool": "AvgPool",
    "max_pool": "MaxPool",
    "resize": "ResizeNearestNeighbor",
    "add": "AddV2",
    "mul": "Mul",
    "maximum": "Maximum",
    "minimum": "Minimum",
    "less": "Less",
    "less_equal": "LessEqual",
    "greater": "Greater",
    "greater_equal": "GreaterEqual",
    "reduce_sum": "Sum",
    "reduce_max": "Max",
    "reduce_min": "Min",
    "reduce_prod": "Prod",
    "top_k": "TopKV2",
}


def tensorflow(*arguments: str) -> str:
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-W", "ignore", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert not done.returncode, done.stderr[-3000:]
    return done.stdout


def emitted(folder: Path, inputs: dict[str, TensorType], body: Body, target: Any = TARGET) -> Path:
    folder.mkdir(exist_ok=True)
    artifact = target.emit(target.legalize(graph_of(inputs, body), {}), folder, {})
    files = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    assert files == set(artifact.files)
    return folder / artifact.main


def dense(b: Builder, x: Value) -> dict[str, Value]:
    return {"y": b.op("relu", b.op("dense", x, b.constant(KERNEL), None))}


def test_numbers_are_those_of_tensorflow() -> None:
    said = json.loads(tensorflow(str(SIDE), "numbers", *OPERATORS.values()))
    for message, fields in schema.FIELDS.items():
        for name, number in fields.items():
            assert said["fields"][message][name] == number, (message, name)
    assert said["types"] == schema.TENSOR_TYPES
    assert said["version"] >= schema.GRAPH_VERSION
    for op, operator in OPERATORS.items():
        known = {dtype for dtype in said["kernels"][operator] if not dtype.startswith(("complex", "q"))}
        assert known == {*KERNELS[op]}, op


def test_tensorflow_2_loads_it(tmp_path: Path) -> None:
    drawn = Drawn("lstm", 3, 6, 4, 5, ("tanh", "sigmoid"), True, True, True, False, False, False)
    graph, inputs = drawn.graph(BATCH, TIME), drawn.inputs()
    truth = expected(graph, [*inputs.values()])
    artifact = TARGET.emit(TARGET.legalize(graph, {}), tmp_path, {})
    np.savez(tmp_path / "in.npz", **inputs)
    files = [str(tmp_path / name) for name in ("in.npz", "out.npz")]
    tensorflow(str(SIDE), "load", str(tmp_path / artifact.main), *files)
    with np.load(tmp_path / "out.npz") as outputs:
        assert set(outputs.files) == {f"y{index}" for index in range(len(truth))}
        for index, array in enumerate(truth):
            assert_close(outputs[f"y{index}"], array)


def test_the_command_line_runs_it(tmp_path: Path) -> None:
    folder = emitted(tmp_path / "model", {"x": TensorType("float32", (BATCH, 4))}, dense)
    x = np.random.default_rng(0).normal(size=(2, 4)).astype("f4")
    np.save(tmp_path / "x.npy", x)
    arguments = ["--dir", str(folder), "--tag_set", "serve", "--signature_def", "serving_default"]
    arguments += ["--inputs", f"x={tmp_path / 'x.npy'}", "--outdir", str(tmp_path)]
    tensorflow("-m", "tensorflow.python.tools.saved_model_cli", "run", *arguments)
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), np.maximum(x @ KERNEL, 0), rtol=1e-5)


def test_the_command_line_shows_it(tmp_path: Path) -> None:
    types, options = (
        {"x": TensorType("float32", (BATCH, 8, 8, 3))},
        {"signature": "images", "weights_in": "variables"},
    )

    def body(b: Builder, x: Value) -> dict[str, Value]:
        return {"y": b.op("mul", x, b.constant(np.ones((8, 8, 3), np.float32) / 2))}

    (tmp_path / "model").mkdir()
    TARGET.emit(TARGET.legalize(graph_of(types, body), {}), tmp_path / "model", options)
    shown = tensorflow(
        "-m",
        "tensorflow.python.tools.saved_model_cli",
        "show",
        "--dir",
        str(tmp_path / "model" / "1"),
        "--all",
    )
    for name in ("serving_default", "serve", "images"):
        assert f"signature_def['{name}']:" in shown
    assert re.search(r"inputs\['x_bytes'\] tensor_info:\s+dtype: DT_STRING\s+shape: \(-1\)", shown)
    assert shown.count("Method name is: tensorflow/serving/predict") == 3


def test_the_same_bytes(tmp_path: Path) -> None:
    for target in (TARGET, FROZEN_GRAPH):
        files = []
        for name in ("a", "b"):
            folder = tmp_path / f"{target.name}-{name}"
            emitted(folder, {"x": TensorType("float32", (BATCH, 4))}, dense, target)
            files.append([path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()])
        assert files[0] == files[1]


def test_a_frozen_graph_is_the_saved_models(tmp_path: Path) -> None:
    types = {"x": TensorType("float32", (BATCH, 4))}
    folder = emitted(tmp_path / "saved", types, dense)
    graph = emitted(tmp_path / "frozen", types, dense, FROZEN_GRAPH)
    assert graph.read_bytes() in (folder / "saved_model.pb").read_bytes()


def names(b: Builder, x: Value, again: Value) -> dict[str, Value]:
    y = b.op("exp", x)
    b.origin = "a layer (of 2)/β"
    z = b.op("add", y, again)
    return {"X": y, "again": y, "given": x, "constant": b.constant(KERNEL), "ü/1:0": z}


@pytest.mark.parametrize("target", [TARGET, FROZEN_GRAPH], ids=lambda target: target.name)
def test_names_of_the_model_are_kept_and_those_of_nodes_are_allowed(target: Any, tmp_path: Path) -> None:
    types = {"the x": TensorType("float32", (2, 3)), "x": TensorType("float32", (2, 3))}
    path = emitted(tmp_path, types, names, target)
    x = np.random.default_rng(0).normal(size=(2, 3)).astype("f4")
    outputs = RUNTIME.run(path, {"the x": x, "x": x + 1})
    assert set(outputs) == {"X", "again", "given", "constant", "ü/1:0"}
    np.testing.assert_array_equal(outputs["given"], x)
    np.testing.assert_array_equal(outputs["again"], outputs["X"])
    np.testing.assert_array_equal(outputs["constant"], KERNEL)
    np.testing.assert_array_equal(outputs["ü/1:0"], outputs["X"] + x + 1)


def test_plain_names() -> None:
    assert plain_name("conv2d/kernel") == "conv2d/kernel"
    assert plain_name("the x:0 (β)") == "the_x_0____"
    assert plain_name("_hidden") == "x_hidden"
    assert plain_name("") == "x"


def test_a_frozen_graph_says_which_tensors_are_the_models(tmp_path: Path) -> None:
    path = emitted(tmp_path, {"the x": TensorType("float32", (BATCH, 4))}, dense, FROZEN_GRAPH)
    said = json.loads(path.with_suffix(".names.json").read_text())
    assert said == {"inputs": {"the x": "the_x:0"}, "outputs": {"y": "y:0"}}


def test_what_does_not_fit_a_message_is_refused(tmp_path: Path) -> None:
    def unread() -> Any:
        raise AssertionError("The weights are read for nothing.")

    def body(b: Builder, x: Value) -> dict[str, Value]:
        large = b.constant(Constant.lazy("float32", (30_000, 20_000), unread))
        return {"y": b.op("dense", x, large, None)}

    with pytest.raises(UnsupportedOpError, match=r"takes 2\.4 GB"):
        emitted(tmp_path, {"x": TensorType("float32", (1, 30_000))}, body, FROZEN_GRAPH)
    assert writer.MOST == 2**31 - 1


@pytest.mark.parametrize("target", ["saved_model", "frozen_graph"])
def test_an_export_is_open_in_the_batch(target: str, tmp_path: Path) -> None:
    model, golden = tiny.write_model(tmp_path / "tiny.h5"), tiny.write_golden(tmp_path / "tiny.npz")
    result = kexport.export(model, target, golden=golden, output=tmp_path / "out")
    assert result.verified
    assert result.targets[0].signature.inputs[0].type.shape[0] == BATCH
