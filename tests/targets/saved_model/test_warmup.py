"""Requests to warm up with, parsed by tensorflow-serving-api's messages. (tests/test_smoke.py: TensorFlow reads and answers them.)"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from kexport.contracts import Companions, Port, Sample, Signature
from kexport.ir import Builder, TensorType, Value, dims
from kexport_runtimes.tf_serving import stubs, tensors
from kexport_targets.saved_model import TARGET
from kexport_targets.saved_model.checksum import crc32c, masked
from kexport_targets.saved_model.warmup import requests, write_records
from support.graphs import graph_of

BATCH = dims.symbol("batch")
FILE = Path("1", "assets.extra", "tf_serving_warmup_requests")


def records(path: Path) -> list[bytes]:
    """TFRecord: length, its checksum, contents, their checksum."""
    data, found = path.read_bytes(), []
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        assert struct.unpack("<I", data[8:12]) == (masked(crc32c(data[:8])),)
        found.append(data[12 : 12 + length])
        assert struct.unpack("<I", data[12 + length : 16 + length]) == (masked(crc32c(found[-1])),)
        data = data[16 + length :]
    return found


def parsed(record: bytes) -> Any:
    log = stubs.api("prediction_log_pb2").PredictionLog.FromString(record)
    assert log.WhichOneof("log_type") == "predict_log"
    assert not log.predict_log.HasField("response")
    return log.predict_log.request


def about(inputs: dict[str, Any]) -> Companions:
    return Companions({}, {}, Sample(inputs, {}, "Keras", 1e-5, {}, {}))


def echo(b: Builder, *inputs: Value) -> dict[str, Value]:
    return {f"y{index}": b.op("identity", value) for index, value in enumerate(inputs)}


def test_a_request_of_one_sample_and_one_of_several(tmp_path: Path) -> None:
    kinds = {"a": "float32", "b": "int64", "c": "string", "d": "bfloat16", "e": "bool"}
    graph = graph_of({name: TensorType(kind, (BATCH, 2)) for name, kind in kinds.items()}, echo)
    artifact = TARGET.emit(TARGET.legalize(graph, {}), tmp_path, {})
    inputs = {
        "a": np.arange(6, dtype="f4").reshape(3, 2),
        "b": np.arange(6).reshape(3, 2) - 3,
        "c": np.array([["a", "ß"], ["", "b"], ["c", "d"]]),
        "d": np.array([[1.01, -2], [np.nan, 3], [0, 4]], "f4"),
        "e": np.array([[True, False]] * 3),
    }
    finished = TARGET.finish(artifact, tmp_path, about(inputs))
    assert finished.files == (*artifact.files, FILE)
    found = [parsed(record) for record in records(tmp_path / FILE)]
    assert [request.model_spec.signature_name for request in found] == ["serving_default"] * 2
    for request, size in zip(found, (1, 3), strict=True):
        assert set(request.inputs) == set(inputs)
        for name, array in inputs.items():
            expected = array.astype(ml_dtypes.bfloat16).astype("f4") if name == "d" else array
            np.testing.assert_array_equal(tensors.array(request.inputs[name], name), expected[:size])
            assert tensors.NAMES[request.inputs[name].dtype] == kinds[name]


def test_a_request_of_the_models_own_batch() -> None:
    port = Port("x", TensorType("float32", (4, 2)))
    (record,) = requests(Signature((port,), ()), {"x": np.ones((3, 2), "f4")}, None)
    (dim, _) = parsed(record).inputs["x"].tensor_shape.dim
    assert dim.size == 4


def test_large_batches_are_cut() -> None:
    port = Port("x", TensorType("float32", (BATCH, 2)))
    found = [*requests(Signature((port,), ()), {"x": np.ones((100, 2), "f4")}, None)]
    assert [parsed(record).inputs["x"].tensor_shape.dim[0].size for record in found] == [1, 16]
    assert len([*requests(Signature((port,), ()), {"x": np.ones((1, 2), "f4")}, None)]) == 1


def test_an_encoded_image(tmp_path: Path) -> None:
    types = {"photo": TensorType("float32", (BATCH, 5, 7, 3)), "age": TensorType("float32", (BATCH, 1))}
    graph = graph_of(types, echo)
    artifact = TARGET.emit(TARGET.legalize(graph, {}), tmp_path, {"signature": "photos"})
    inputs = {"photo": np.ones((2, 5, 7, 3), "f4"), "age": np.array([[1], [2]], "f4")}
    TARGET.finish(artifact, tmp_path, about(inputs))
    found = [parsed(record) for record in records(tmp_path / FILE)]
    assert [request.model_spec.signature_name for request in found] == [
        *("serving_default", "photos", "serving_default"),
    ]
    assert set(found[1].inputs) == {"photo_bytes", "age"}
    (image,) = found[1].inputs["photo_bytes"].string_val
    assert image.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", image[16:24])
    assert (height, width) == (5, 7)
    size = struct.unpack(">I", image[33:37])[0]
    assert len(zlib.decompress(image[41 : 41 + size])) == 5 * (1 + 7 * 3)


def test_nothing_is_written_without_golden_vectors(tmp_path: Path) -> None:
    graph = graph_of({"x": TensorType("float32", (BATCH, 2))}, echo)
    artifact = TARGET.emit(TARGET.legalize(graph, {}), tmp_path, {})
    assert TARGET.finish(artifact, tmp_path, Companions({}, {}, None)) is artifact
    assert not (tmp_path / FILE).exists()


def test_the_same_bytes(tmp_path: Path) -> None:
    port = Port("x", TensorType("float32", (BATCH, 2)))
    for name in ("a", "b"):
        write_records(
            tmp_path / name / "file", requests(Signature((port,), ()), {"x": np.ones((3, 2), "f4")}, None)
        )
    assert (tmp_path / "a" / "file").read_bytes() == (tmp_path / "b" / "file").read_bytes()
