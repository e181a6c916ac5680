"""What the Core ML runtime reads: right packages, and wrong and hostile ones, which it refuses and never hangs or crashes on."""

from __future__ import annotations

import json
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kexport_runtimes.coreml import INTERPRETER
from support import mil_program as mil

X = np.array([[1.0, -2.0]], np.float32)
TYPE = mil.tensor_type("float32", (1, 2))
IN, OUT = mil.array_feature("x", "float32", (1, 2)), mil.array_feature("y", "float32", (1, 2))


def model_of(body: bytes, opset: str = "CoreML6") -> bytes:
    return mil.model([IN], [OUT], mil.entry(2, "main", mil.function({"x": TYPE}, body, opset)))


def written(folder: Path, *operations: bytes, opset: str = "CoreML6") -> Path:
    return mil.package(folder, model_of(mil.block(operations, ["y"]), opset))


def add(weight: bytes | str) -> bytes:
    return mil.operation("add", {"x": "x", "y": weight}, {"y": TYPE})


def with_blob(folder: Path, weights: bytes | None, **where: Any) -> Path:
    value = mil.blob("float32", (1, 2), where.pop("offset", 64), **where)
    const = mil.operation("const", {}, {"w": TYPE}, {"val": value})
    return mil.package(folder, model_of(mil.block([const, add("w")], ["y"])), weights)


def run(path: Path) -> np.ndarray:
    return INTERPRETER.run(path, {"x": X})["y"]


W = np.array([[10.0, 20.0]], np.float32)


def test_constants_in_the_program_and_in_a_weight_file(tmp_path: Path) -> None:
    np.testing.assert_array_equal(run(written(tmp_path / "a", mil.constant("w", W), add("w"))), X + W)
    np.testing.assert_array_equal(run(written(tmp_path / "b", add(mil.immediate(W)))), X + W)
    np.testing.assert_array_equal(run(with_blob(tmp_path / "c", mil.weight_file(W))), X + W)


def test_a_lone_mlmodel_file(tmp_path: Path) -> None:
    path = written(tmp_path, add(mil.immediate(W))) / "Data" / "com.apple.CoreML" / "model.mlmodel"
    np.testing.assert_array_equal(run(path), X + W)


@pytest.mark.parametrize(
    ("weights", "where", "words"),
    [
        (None, {}, "can't be read"),
        (b"", {}, "can't be read"),
        (b"\1" * 10, {}, "header of 64 bytes"),
        (mil.weight_file(W, version=1), {}, "storage version 2. Received: 1"),
        (mil.weight_file(W, sentinel=1), {}, "begins with 0xdeadbeef"),
        (mil.weight_file(W, dtype=1), {}, "holds blob type 1"),
        (mil.weight_file(W, size=4), {}, "holds 4 bytes"),
        (mil.weight_file(W, size=2**63), {}, "cut off"),
        (mil.weight_file(W, start=2**63), {}, "cut off"),
        (mil.weight_file(W)[:-1], {}, "cut off"),
        (mil.weight_file(W), {"offset": 2**63}, "record at"),
        (mil.weight_file(W), {"offset": 100}, "record at"),
        (mil.weight_file(W), {"file": "/etc/passwd"}, "are named @model_path"),
        (mil.weight_file(W), {"file": "@model_path/../../../../secret"}, "stay within"),
        (mil.weight_file(W), {"file": "@model_path//etc/passwd"}, "stay within"),
        (mil.weight_file(W), {"file": "@model_path/weights"}, "can't be read"),
        (mil.weight_file(W), {"file": "@model_path/a\0b"}, "can't be followed"),
    ],
)
def test_weight_files_that_are_none(
    tmp_path: Path, weights: bytes | None, where: dict[str, Any], words: str
) -> None:
    with pytest.raises(RuntimeError, match=words):
        run(with_blob(tmp_path, weights, **where))


def test_a_link_out_of_the_package_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside.bin").write_bytes(mil.weight_file(W))
    path = with_blob(tmp_path, None, file="@model_path/weights/link.bin")
    (path / "Data/com.apple.CoreML/weights/link.bin").symlink_to(tmp_path / "outside.bin")
    with pytest.raises(RuntimeError, match="stay within"):
        run(path)


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        ("{", "is a JSON document"),
        ("[" * 100_000, "is a JSON document"),
        ("[]", "names the root model"),
        (json.dumps({"rootModelIdentifier": "a", "itemInfoEntries": {}}), "names the root model"),
        (json.dumps({"rootModelIdentifier": "a", "itemInfoEntries": {"a": {"path": 1}}}), "Paths are text"),
        (
            json.dumps({"rootModelIdentifier": "a", "itemInfoEntries": {"a": {"path": "../../x"}}}),
            "stay within",
        ),
        (
            json.dumps({"rootModelIdentifier": "a", "itemInfoEntries": {"a": {"path": "/etc/passwd"}}}),
            "stay within",
        ),
        (
            json.dumps({"rootModelIdentifier": "a", "itemInfoEntries": {"a": {"path": "gone"}}}),
            "can't be read",
        ),
        ("x" * (1 << 20) + "x", "has at most"),
    ],
)
def test_manifests_that_are_none(tmp_path: Path, manifest: str, words: str) -> None:
    path = mil.package(tmp_path, model_of(mil.block([add("x")], ["y"])), manifest=manifest)
    with pytest.raises(RuntimeError, match=words):
        run(path)


def test_a_missing_package(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="can't be read"):
        run(tmp_path / "gone.mlpackage")


LONG = mil.tensor_type("float32", (2**20, 2**20))
DEEP = mil.tensor_type("float32", ())
for _ in range(200):
    DEEP = mil.field(2, mil.field(1, DEEP))


@pytest.mark.parametrize(
    ("operations", "words"),
    [
        ([mil.operation("frobnicate", {"x": "x"}, {"y": TYPE})], r"does not know frobnicate \(opset iOS16\)"),
        ([mil.operation("resize", {"x": "x"}, {"y": TYPE})], "resize is an operation since iOS17"),
        ([mil.operation("relu", {"x": "x", "slope": "x"}, {"y": TYPE})], "Unknown: slope; missing: none"),
        ([mil.operation("relu", {}, {"y": TYPE})], "Unknown: none; missing: x"),
        ([add("z")], "takes 'z', which no operation before it makes"),
        ([add("y")], "takes 'y', which no operation before it makes"),
        ([mil.operation("relu", {"x": "x"}, {"x": TYPE}), add("x")], "Defined twice: 'x'"),
        ([mil.constant("a", W)], "Not defined: 'y'"),
        ([mil.operation("relu", {"x": "x"}, {"y": LONG})], "at most 1073741824 elements"),
        ([mil.operation("relu", {"x": "x"}, {"y": DEEP})], "at most 100 deep"),
        ([mil.operation("const", {}, {"y": TYPE})], "has one output, and its value"),
        ([mil.operation("const", {}, {"y": TYPE}, {"val": mil.field(2, TYPE)})], "has a value"),
        (
            [mil.operation("relu", {"x": "x"}, {"y": mil.tensor_type("float32", (1, 2), rank=3)})],
            "rank 3, 2 dimensions",
        ),
        (
            [mil.operation("relu", {"x": "x"}, {"y": mil.field(1, mil.field(1, 99) + mil.field(2, 0))})],
            "Received: 99",
        ),
    ],
)
def test_programs_that_are_none(tmp_path: Path, operations: list[bytes], words: str) -> None:
    with pytest.raises(RuntimeError, match=words):
        run(written(tmp_path, *operations))


def test_declared_types_are_held(tmp_path: Path) -> None:
    for name, declared, words in [
        ("shape", mil.tensor_type("float32", (1, 3)), r"declared as fp32\(1, 3\). Computed: float32\(1, 2\)"),
        ("rank", mil.tensor_type("float32", (2,)), r"declared as fp32\(2\)"),
        ("dtype", mil.tensor_type("int32", (1, 2)), "declared as int32.* Computed: float32"),
        ("bool", mil.tensor_type("bool", (1, 2)), "declared as bool.* Computed: float32"),
    ]:
        path = written(tmp_path / name, mil.operation("relu", {"x": "x"}, {"y": declared}))
        with pytest.raises(RuntimeError, match=f"relu 'y' is {words}"):
            run(path)


def test_open_dimensions_take_what_comes(tmp_path: Path) -> None:
    declared = mil.tensor_type("float32", (None, 2))
    np.testing.assert_array_equal(
        run(written(tmp_path, mil.operation("relu", {"x": "x"}, {"y": declared}))), np.maximum(X, 0)
    )


def test_a_variadic_dimension_stands_for_any_number_of_them(tmp_path: Path) -> None:
    operation = mil.operation("relu", {"x": "x"}, {"y": mil.variadic_type("float32")})
    np.testing.assert_array_equal(run(written(tmp_path, operation)), np.maximum(X, 0))


def test_huge_results_are_not_allocated(tmp_path: Path) -> None:
    shape = mil.immediate(np.array([2**30, 2**30], np.int32))
    operation = mil.operation("fill", {"shape": shape}, {"y": mil.tensor_type("float32", (None, None))})
    with pytest.raises(RuntimeError, match="fill 'y' makes a tensor of at most"):
        run(written(tmp_path, operation))


def test_broadcasts_are_not_allocated_either(tmp_path: Path) -> None:
    long, tall = np.zeros((1, 2**16), np.float32), np.zeros((2**16, 1), np.float32)
    declared = mil.tensor_type("float32", (None, None))
    for kind, names, more in [
        ("add", ("x", "y"), {}),
        ("matmul", ("y", "x"), {}),
        ("einsum", ("values",), {"equation": mil.immediate(np.array("ab,cd->ad"))}),
        ("gather", ("x", "indices"), {}),
    ]:
        values: list[Any] = ["long", "tall"] if kind != "einsum" else [["tall", "long"]]
        second = np.zeros((2**16, 1), np.int32) if kind == "gather" else tall
        operations = [mil.constant("long", long), mil.constant("tall", second)]
        operations.append(mil.operation(kind, dict(zip(names, values, strict=True)) | more, {"y": declared}))
        with pytest.raises(RuntimeError, match=f"{kind} 'y' makes a tensor of at most"):
            run(written(tmp_path / kind, *operations))


def test_a_loop_without_end_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kexport_runtimes.coreml.ops import control_flow

    monkeypatch.setattr(control_flow, "MAX_TURNS", 1000)
    condition = mil.block([mil.constant("go", True)], ["go"], {"a": TYPE})
    body = mil.block([mil.operation("relu", {"x": "b"}, {"c": TYPE})], ["c"], {"b": TYPE})
    loop = mil.operation("while_loop", {"loop_vars": "x"}, {"y": TYPE}, blocks=[condition, body])
    with pytest.raises(RuntimeError, match="ends after at most 1000 turns"):
        run(written(tmp_path, loop))


def test_a_neural_network_is_named(tmp_path: Path) -> None:
    path = mil.package(tmp_path, mil.field(1, 4) + mil.field(2, b"") + mil.field(500, b""))
    with pytest.raises(RuntimeError, match=r"no ML program.* Received: a neural network"):
        run(path)


GOOD = model_of(mil.block([mil.constant("w", W), add("w")], ["y"]))


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damaged_models_are_refused_or_computed(tmp_path: Path, data: st.DataObject) -> None:
    """Bytes changed, cut off or put in anywhere: an error of the runtime's own, or numbers."""
    damaged = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        match data.draw(st.sampled_from(["change", "cut", "insert"])):
            case "change":
                damaged[at] = data.draw(st.integers(0, 255))
            case "cut":
                del damaged[at : at + data.draw(st.integers(1, 8))]
            case _:
                damaged[at:at] = data.draw(st.binary(min_size=1, max_size=4))
        if not damaged:
            return
    with suppress(RuntimeError, ValueError):
        run(mil.package(tmp_path, bytes(damaged)))


def test_a_truncated_number(tmp_path: Path) -> None:
    for content, words in [
        (b"\xff" * 11, "at most 10 bytes"),
        (b"\xff", "cut off"),
        (mil.varint(3 << 3 | 2) + mil.varint(2**62), "beyond its message"),
        (mil.varint(3 << 3 | 3), "wire type 3"),
        (struct.pack("<B", 0), "numbered from 1"),
    ]:
        with pytest.raises(RuntimeError, match=words):
            run(mil.package(tmp_path, content))
