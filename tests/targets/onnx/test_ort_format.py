"""``ort``: ONNX Runtime's own format, run by it, and the operators that a reduced build needs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import kexport
from kexport.errors import UnsupportedOpError, UsageError
from kexport.ir import Builder, TensorType, Value, dims
from kexport_runtimes.onnxruntime import RUNTIME
from kexport_targets.onnx import writer
from support import tiny
from support.graphs import expected, graph_of
from targets.onnx.complete import emitted

KERNEL = np.random.default_rng(0).normal(size=(3, 3, 2, 16)).astype(np.float32)
TYPES = {"image": TensorType("float32", (dims.symbol("batch"), 6, 5, 2))}


def body(b: Builder, x: Value) -> dict[str, Value]:
    attrs = {"strides": (1, 1), "padding": "same", "dilations": (1, 1)}
    y = b.op("relu", b.op("conv", x, b.constant(KERNEL), None, **attrs))
    return {"y": y}


def test_it_computes_the_same_and_has_the_same_bytes(tmp_path: Path) -> None:
    x = np.random.default_rng(1).normal(size=(3, 6, 5, 2)).astype(np.float32)
    graph = graph_of(TYPES, body)
    (truth,) = expected(graph, [x])
    first = emitted(graph, tmp_path / "a", ort=True)
    assert first.main.name == "model.ort"
    assert first.main.read_bytes()[4:8] == b"ORTM"
    np.testing.assert_allclose(RUNTIME.run(first.main, {"image": x})["y"], truth, atol=1e-5)
    again = emitted(graph_of(TYPES, body), tmp_path / "b", ort=True)
    for one, other in zip(first.files, again.files, strict=True):
        assert (tmp_path / "a" / one).read_bytes() == (tmp_path / "b" / other).read_bytes()


def test_the_operators_of_a_reduced_build(tmp_path: Path) -> None:
    artifact = emitted(graph_of(TYPES, body), tmp_path, ort=True)
    lines = (tmp_path / artifact.files[1]).read_text().splitlines()
    entries = {line.split(";")[0]: line.split(";", 2)[2] for line in lines}
    assert all(int(line.split(";")[1]) > 0 for line in lines)
    assert "Transpose" in entries["ai.onnx"]
    # Convolution and activation are one operator of ONNX Runtime's own.
    assert "FusedConv" in entries["com.microsoft"]


def test_what_does_not_go_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"(?s)ort=True, float16=True.*Leave out --float16"):
        emitted(graph_of(TYPES, body), tmp_path / "a", ort=True, float16=True)
    monkeypatch.setattr(writer, "MOST_INSIDE", 100)
    monkeypatch.setattr(writer, "_ALIGNMENT", 64)
    with pytest.raises(UnsupportedOpError, match=r"(?s)less than 2 GB.*without --ort"):
        emitted(graph_of(TYPES, body), tmp_path / "b", ort=True)


def test_an_export_is_verified_in_it(tmp_path: Path) -> None:
    model, golden = tiny.write_model(tmp_path / "tiny.h5"), tiny.write_golden(tmp_path / "tiny.npz")
    result = kexport.export(model, "onnx", golden=golden, output=tmp_path / "out", ort=True)
    assert result.verified
    assert {path.name for path in result.targets[0].files} == {
        "model.ort",
        "model.required_operators_and_types.config",
    }
    assert kexport.verify(tmp_path / "out").passed
