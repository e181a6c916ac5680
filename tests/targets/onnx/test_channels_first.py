"""``nchw_inputs`` and ``nchw_outputs``: the file's ports, and that golden vectors of the model's layout verify it."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest

import kexport
from kexport.errors import UsageError
from kexport.ir import Builder, TensorType, Value, dims
from kexport.ir.evaluate import evaluate
from kexport.loading import load
from kexport.reference import Golden
from kexport.verification import verify
from kexport_runtimes.onnxruntime import RUNTIME
from support.graphs import graph_of
from targets.onnx.complete import emitted

BATCH = dims.symbol("batch")
KERNEL = np.random.default_rng(0).normal(size=(3, 3, 2, 4)).astype(np.float32)
META = {"keras": "3.0", "backend": "numpy", "library": "keras"}


def body(b: Builder, x: Value) -> dict[str, Value]:
    attrs = {"strides": (1, 1), "padding": "same", "dilations": (1, 1)}
    y = b.op("relu", b.op("conv", x, b.constant(KERNEL), None, **attrs))
    return {"map": y, "mean": b.op("reduce_mean", y, axes=(1, 2))}


@pytest.mark.parametrize("batch", [BATCH, 2])
def test_golden_vectors_are_turned(batch: object, tmp_path: Path) -> None:
    graph = graph_of({"image": TensorType("float32", (batch, 6, 5, 2))}, body)
    x = np.random.default_rng(1).normal(size=(3, 6, 5, 2)).astype(np.float32)
    open_graph = graph_of({"image": TensorType("float32", (BATCH, 6, 5, 2))}, body)
    golden = Golden(
        {"image": x}, dict(zip(("map", "mean"), evaluate(open_graph, [x]), strict=True)), {}, META
    )
    artifact = emitted(graph, tmp_path, nchw_inputs=True, nchw_outputs=True)
    verdict = verify(artifact, RUNTIME, golden, tolerance=1e-5)
    assert verdict.passed
    assert [row.shape for row in verdict.rows] == [(6, 5, 4), (4,)]
    model = onnx.load(artifact.main)
    assert "Transpose" not in {node.op_type for node in model.graph.node}
    (port,) = model.graph.input
    assert [dim.dim_value for dim in port.type.tensor_type.shape.dim][1:] == [2, 6, 5]
    map_, mean = artifact.signature.outputs
    assert (map_.axes, map_.type.shape) == ((0, 3, 1, 2), (batch, 4, 6, 5))
    assert mean.axes == ()


CONVOLUTIONS = Path(__file__).resolve().parents[2] / "fixtures" / "legacy" / "keras-2.2.4-tensorflow.zip"


def test_the_manifest_says_it_and_verify_reads_it(tmp_path: Path) -> None:
    with zipfile.ZipFile(CONVOLUTIONS) as archive:
        name = "DepthwiseConv2D-last.h5"
        archive.extract(name, tmp_path)
        recorded = np.load(io.BytesIO(archive.read(name.replace(".h5", ".npz"))))
    spec = load(tmp_path / name)
    golden = Golden(
        {spec.input_names[0]: recorded["in/0"]}, {spec.output_names[0]: recorded["out/0"]}, {}, META
    )
    result = kexport.export(
        tmp_path / name,
        "onnx",
        golden=golden,
        output=tmp_path / "out",
        nchw_inputs=True,
        opset="latest",
    )
    assert result.verified
    manifest = json.loads(result.manifest.read_text())
    (entry,) = manifest["targets"]["onnx"]["signature"]["inputs"]
    assert entry["axes"] == [0, 3, 1, 2]
    assert kexport.verify(tmp_path / "out").passed
    model = onnx.load(result.artifact)
    said = {item.key: item.value for item in model.metadata_props}
    assert said["keras.version"] == "2.2.4"
    assert said["keras.sha256"] == manifest["model"]["sha256"]
    assert json.loads(said["keras.inputs"]) == [entry["name"]]
    assert "2.2.4" in model.doc_string
    assert (model.domain, model.model_version) == ("kexport", 1)
    entry["axes"] = [0, 1]
    result.manifest.write_text(json.dumps(manifest))
    with pytest.raises(UsageError, match="damaged"):
        kexport.verify(tmp_path / "out")


def test_a_word_that_is_no_operator_set(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'opset' is a int or 'latest'. Received: 'newest'"):
        kexport.export(tmp_path / "x.h5", "onnx", opset="newest", golden={})
