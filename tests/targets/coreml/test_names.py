"""Names: those of the model where Core ML allows them, a map where it does not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from kexport.ir import Builder, TensorType, Value
from kexport_runtimes.coreml.package import open_package
from kexport_targets.coreml.names import Names, plain_name
from support.graphs import graph_of
from targets.coreml.running import emitted, run

HOSTILE = (
    "the x",
    "tensor",
    "9 lives",
    "a/b:0",
    "ä",
    "",
    "x" * 300,
    'quote"\\',
    "state",
    "_",
    "x\0y",
    "<script>",
)


def test_names_of_programs() -> None:
    names = Names()
    assert [names.fresh(text) for text in ("a", "a", "a b", "a/b", "a_b", "a_0")] == [
        *["a", "a_0", "a_b", "a_b_0", "a_b_1", "a_0_0"]
    ]
    for text in HOSTILE:
        name = plain_name(text)
        assert name.isascii()
        assert name.isidentifier()
        assert name not in ("tensor", "state")


@pytest.mark.parametrize("name", HOSTILE)
def test_inputs_and_outputs_keep_their_names(name: str, tmp_path: Path) -> None:
    def body(b: Builder, x: Value) -> dict[str, Value]:
        return {f"{name} out": b.op("exp", x), name: b.op("abs", x)}

    artifact = emitted(graph_of({name: TensorType("float32", (2, 3))}, body), tmp_path)
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    outputs = run(artifact, tmp_path, {name: x})
    np.testing.assert_allclose(outputs[f"{name} out"], np.exp(x), rtol=1e-6)
    np.testing.assert_array_equal(outputs[name], x)
    metadata = open_package(tmp_path / artifact.main).description.metadata
    renamed = json.loads(metadata.get("kexport.names", "{}"))
    for key, ports in (("inputs", artifact.signature.inputs), ("outputs", artifact.signature.outputs)):
        wanted = {port.artifact_name: port.name for port in ports if port.artifact_name}
        assert renamed.get(key, {}) == wanted
    ports = (*artifact.signature.inputs, *artifact.signature.outputs)
    assert len({port.artifact_name or port.name for port in ports}) == len(ports)


def test_outputs_that_are_inputs_constants_or_the_same(tmp_path: Path) -> None:
    constant = np.arange(12, dtype=np.float32).reshape(4, 3)

    def body(b: Builder, x: Value) -> dict[str, Value]:
        y = b.op("exp", x)
        return {"y": y, "again": y, "given": x, "constant": b.constant(constant)}

    artifact = emitted(graph_of({"x": TensorType("float32", (2, 3))}, body), tmp_path)
    x = np.ones((2, 3), np.float32)
    outputs = run(artifact, tmp_path, {"x": x})
    np.testing.assert_array_equal(outputs["given"], x)
    np.testing.assert_array_equal(outputs["again"], outputs["y"])
    np.testing.assert_array_equal(outputs["constant"], constant)
