"""The Python API: whole exports or nothing, and what the results and the manifest say."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kexport
from kexport import errors, plugins
from kexport.api import destination
from kexport.reference import Golden, load_golden
from support import tiny


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tiny.write_model(tmp_path / "tiny.h5")


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    return tiny.write_golden(tmp_path / "tiny.npz")


def entries(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_an_export_with_golden_vectors(model: Path, golden: Path) -> None:
    result = kexport.export(model, golden=golden)
    assert result.verified
    assert result.exit_code == 0
    assert result.artifact == Path("tiny_export/tflite/model.tflite")
    assert sorted(entries(result.folder)) == ["golden.npz", "manifest.json", "tflite/model.tflite"]
    (target,) = result.targets
    assert target.nbytes == result.artifact.stat().st_size
    assert [port.name for port in target.signature.inputs] == ["hidden_input"]
    assert [port.name for port in target.signature.outputs] == ["scores"]
    assert target.verdict.samples == 6
    assert target.verdict.max_rel_error < 1e-5


@pytest.mark.parametrize("more", ["", "golden='tiny.npz'"])
def test_tensorflow_is_not_imported_by_an_export(model: Path, golden: Path, more: str) -> None:
    """In a process of its own: other tests of this one may have imported it."""
    code = f"import sys, kexport; kexport.export('tiny.h5', {more}); sys.exit('keras' in sys.modules or 'tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_manifest(model: Path, golden: Path) -> None:
    result = kexport.export(model, golden=golden, batch=2)
    text = result.manifest.read_text()
    manifest = json.loads(text)
    assert text == json.dumps(manifest, sort_keys=True, indent=2, ensure_ascii=False) + "\n"
    assert manifest["kexport"] == kexport.__version__
    assert manifest["model"]["sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()
    assert manifest["model"]["file"] == "tiny.h5"
    assert manifest["model"]["parameters"] == 4 * 5 + 5 + 5 * 3 + 3
    assert manifest["settings"] == {"batch": 2, "dimensions": {}, "input_shape": None, "trained_on": None}
    entry = manifest["targets"]["tflite"]
    assert entry["verified"] is True
    assert entry["options"] == {"float16": False, "fused_lstm": False}
    assert entry["batch"] == 2
    assert entry["signature"]["inputs"][0]["shape"] == [2, 4]
    assert entry["verification"]["passed"] is True
    for file in [*entry["files"], manifest["golden"]]:
        content = (result.folder / file["path"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == file["sha256"]
        assert len(content) == file["bytes"]
    assert str(model.parent) not in text


def test_the_same_export_is_the_same_bytes_and_replaces_the_earlier_one(model: Path, golden: Path) -> None:
    first = entries(kexport.export(model, golden=golden).folder)
    (Path("tiny_export") / "tflite" / "model.tflite").write_bytes(b"changed")
    assert entries(kexport.export(model, golden=golden).folder) == first
    assert sorted(path.name for path in model.parent.iterdir()) == ["tiny.h5", "tiny.npz", "tiny_export"]


def test_without_verification(model: Path) -> None:
    result = kexport.export(model, verify=False)
    assert not result.verified
    assert result.exit_code == 0
    assert result.golden is None
    assert result.targets[0].status == "skipped"
    manifest = json.loads(result.manifest.read_text())
    assert manifest["golden"] is None
    assert manifest["targets"]["tflite"]["verified"] is False
    assert manifest["targets"]["tflite"]["reason"] == "verification was not asked for"


def test_what_no_keras_computes_is_exported_and_said_to_be_unverified(
    tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KEXPORT_BACKENDS", str(tmp_path / "none"))
    result = kexport.export(tiny.write_model(tmp_path / "tiny.h5", backend="theano"))
    assert result.exit_code == 8
    assert result.artifact.is_file()
    assert result.targets[0].status == "unavailable"
    assert "theano" in result.targets[0].reason
    assert "theano" in json.loads(result.manifest.read_text())["targets"]["tflite"]["reason"]


def test_other_outputs_leave_nothing(model: Path, tmp_path: Path) -> None:
    wrong = tiny.write_golden(tmp_path / "wrong.npz", error=0.01)
    with pytest.raises(errors.VerificationError, match=r"Output 'scores'.*is allowed") as caught:
        kexport.export(model, golden=wrong)
    assert not caught.value.verdict.passed
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny.h5", "wrong.npz"]


def test_a_failed_export_leaves_the_earlier_one(model: Path, golden: Path, tmp_path: Path) -> None:
    before = entries(kexport.export(model, golden=golden).folder)
    with pytest.raises(errors.VerificationError):
        kexport.export(model, golden=tiny.write_golden(tmp_path / "wrong.npz", error=0.01))
    assert entries(Path("tiny_export")) == before


def test_the_layer_that_drifts_is_named(model: Path, tmp_path: Path) -> None:
    wrong = tiny.write_golden(tmp_path / "wrong.npz", error=0.01, layers=True)
    with pytest.raises(errors.VerificationError, match=r"first layer that drifts is 'scores'") as caught:
        kexport.export(model, golden=wrong)
    assert caught.value.drift.layer == "scores"


def test_golden_vectors_of_another_model(model: Path, golden: Path, tmp_path: Path) -> None:
    mine = load_golden(golden)
    x = mine.inputs["hidden_input"]
    with pytest.raises(
        errors.UsageError, match=r"of another model: its inputs are hidden_input\. Received: a, b"
    ):
        kexport.export(model, golden=Golden({"a": x, "b": x}, mine.outputs))
    with pytest.raises(errors.UsageError, match=r"Received golden inputs of \(6, 3\)"):
        kexport.export(model, golden=Golden({"hidden_input": x[:, :3]}, mine.outputs))
    assert not Path("tiny_export").exists()


def test_golden_vectors_under_other_names_are_taken_by_position(model: Path, tmp_path: Path) -> None:
    result = kexport.export(model, golden=tiny.write_golden(tmp_path / "other.npz", input_name="image"))
    assert list(load_golden(result.golden).inputs) == ["hidden_input"]


def test_a_dynamic_batch(model: Path, golden: Path) -> None:
    result = kexport.export(model, golden=golden, batch="dynamic")
    (port,) = result.targets[0].signature.inputs
    assert str(port.type.shape[0]) == "batch"
    assert result.verified


def test_float16_weights(model: Path, golden: Path) -> None:
    result = kexport.export(model, golden=golden, float16=True)
    assert result.verified
    assert result.targets[0].options == {"float16": True, "fused_lstm": False}
    assert result.targets[0].verdict.tolerance > 1e-5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target": "floppy"}, "There is no target 'floppy'"),
        ({"target": []}, "At least one target"),
        ({"batch": 0}, "positive integer or 'dynamic'. Received: 0"),
        ({"batch": True}, "Received: True"),
        ({"float32": True}, "has an option 'float32'.\nTheir options: float16, fused_lstm."),
        ({"opset": 17}, "(tflite) has an option 'opset'.\nIt is an option of onnx."),
        ({"float16": "yes"}, "'float16' is a bool. Received: 'yes'"),
        ({"golden": "a.npz", "samples": "b.npz"}, "either golden or samples"),
        ({"golden": "nowhere.npz"}, "no file 'nowhere.npz'"),
        ({"trained_on": "abacus"}, "abacus"),
        ({"trained_on": "theano"}, "trained on tensorflow. Received: trained_on='theano'"),
        ({"input_shape": (5,)}, "has the shape"),
        ({"input_shape": {"other": (4,)}}, "no input 'other'"),
        ({"output": "tiny.h5"}, "must be a folder"),
    ],
)
def test_arguments_that_cannot_be(model: Path, golden: Path, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(errors.UsageError) as caught:
        kexport.export(model, **{"golden": golden, **arguments} if "samples" not in arguments else arguments)
    assert message in str(caught.value)
    assert not Path("tiny_export").exists()


def test_a_folder_with_other_files_is_not_replaced(model: Path, golden: Path) -> None:
    Path("out").mkdir()
    (Path("out") / "thesis.txt").write_text("all my work")
    with pytest.raises(errors.UsageError, match=r"no export wrote: thesis\.txt"):
        kexport.export(model, golden=golden, output="out")
    assert (Path("out") / "thesis.txt").read_text() == "all my work"


def test_an_export_with_a_note_beside_it_is_not_replaced(model: Path, golden: Path) -> None:
    folder = kexport.export(model, golden=golden).folder
    (folder / "note.txt").write_text("keep")
    with pytest.raises(errors.UsageError, match=r"no export wrote: note\.txt"):
        kexport.export(model, golden=golden)


def test_an_empty_folder_and_missing_parents(model: Path, golden: Path) -> None:
    Path("empty").mkdir()
    kexport.export(model, golden=golden, output="empty")
    kexport.export(model, golden=golden, output="a/b/c")
    assert entries(Path("empty")) == entries(Path("a/b/c"))


def test_parents_made_for_a_failed_export_are_removed(model: Path, tmp_path: Path) -> None:
    with pytest.raises(errors.VerificationError):
        kexport.export(model, golden=tiny.write_golden(tmp_path / "wrong.npz", error=1), output="a/b/c")
    assert not Path("a").exists()


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_an_unwritable_folder(model: Path, golden: Path) -> None:
    Path("locked").mkdir(mode=0o500)
    with pytest.raises(errors.OutputError, match="can't be written: Permission denied"):
        kexport.export(model, golden=golden, output="locked/out")


def test_a_folder_below_a_file(model: Path, golden: Path) -> None:
    with pytest.raises(errors.OutputError, match="can't be written: Not a directory"):
        kexport.export(model, golden=golden, output="tiny.h5/out")


def failing(error: BaseException) -> Any:
    def emit(graph: Any, folder: Path, options: Any) -> Any:
        (folder / "half").write_bytes(b"half")
        raise error

    return emit


@pytest.mark.parametrize(
    ("raised", "seen"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), errors.OutputError),
        (OSError(errno.EROFS, "Read-only file system"), errors.OutputError),
        (KeyboardInterrupt(), KeyboardInterrupt),
        (OSError("h5py could not read"), OSError),
        (SystemExit(143), SystemExit),
    ],
)
def test_what_interrupts_an_export_leaves_nothing(
    model: Path,
    golden: Path,
    monkeypatch: pytest.MonkeyPatch,
    raised: BaseException,
    seen: type[BaseException],
) -> None:
    before = entries(kexport.export(model, golden=golden).folder)
    target = plugins.target("tflite")
    monkeypatch.setattr(type(target), "emit", lambda self, *rest: failing(raised)(*rest))
    with pytest.raises(seen) as caught:
        kexport.export(model, golden=golden)
    assert type(caught.value) is seen
    assert entries(Path("tiny_export")) == before
    assert sorted(path.name for path in model.parent.iterdir()) == ["tiny.h5", "tiny.npz", "tiny_export"]


def test_a_full_disk_is_said_to_be_full() -> None:
    with (
        pytest.raises(errors.OutputError, match="disk of '/tmp/out' is full"),
        destination.writing(Path("/tmp/out")),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_replacing_without_an_exchange(model: Path, golden: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(destination, "_exchange", lambda one, other: False)
    first = entries(kexport.export(model, golden=golden).folder)
    assert entries(kexport.export(model, golden=golden).folder) == first
    assert sorted(path.name for path in model.parent.iterdir()) == ["tiny.h5", "tiny.npz", "tiny_export"]


def test_a_missing_runtime_is_found_before_anything_is_done(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = plugins.runtime("litert")
    monkeypatch.setattr(type(runtime), "available", lambda self: "ai-edge-litert is not installed")
    with pytest.raises(errors.MissingDependencyError, match="ai-edge-litert is not installed"):
        kexport.export(model)
    assert kexport.export(model, verify=False).artifact.is_file()


class Paper:
    """A second target that refuses everything."""

    name = "paper"
    description = "prints"
    runtime = "litert"
    options = ()

    def legalize(self, graph: Any, options: Any) -> Any:
        raise errors.UnsupportedOpError("Layer 'hidden': paper holds no matmul.", hint="Use a computer.")

    def emit(self, graph: Any, folder: Path, options: Any) -> Any:
        raise AssertionError("it was legalized")

    def tolerance(self, options: Any) -> float:
        return 1e-5


@pytest.fixture
def paper(monkeypatch: pytest.MonkeyPatch) -> None:
    real = plugins.target
    monkeypatch.setattr(plugins, "target", lambda name: Paper() if name == "paper" else real(name))


@pytest.mark.parametrize("order", [("tflite", "paper"), ("paper", "tflite")])
def test_targets_stand_for_themselves(model: Path, golden: Path, paper: None, order: tuple[str, ...]) -> None:
    result = kexport.export(model, order, golden=golden)
    assert [target.target for target in result.targets] == ["tflite"]
    assert list(result.failures) == ["paper"]
    assert result.exit_code == 4
    assert not result.verified
    assert sorted(entries(result.folder)) == ["golden.npz", "manifest.json", "tflite/model.tflite"]
    assert kexport.verify(result.folder).passed


def test_when_every_target_fails_the_worst_error_is_raised(model: Path, paper: None, tmp_path: Path) -> None:
    wrong = tiny.write_golden(tmp_path / "wrong.npz", error=1)
    with pytest.raises(errors.VerificationError):
        kexport.export(model, ["paper", "tflite"], golden=wrong)


def test_the_reference_is_not_awaited_where_nothing_was_written(model: Path, golden: Path) -> None:
    steps: list[str] = []
    with pytest.raises(errors.UsageError, match="operator set"):
        kexport.export(model, "onnx", golden=golden, opset=99, progress=steps.append)
    assert steps[-1] == "Writing onnx"


def test_progress_names_the_steps(model: Path, golden: Path) -> None:
    steps: list[str] = []
    kexport.export(model, golden=golden, progress=steps.append)
    assert steps[0] == "Reading the model"
    assert "Writing tflite" in steps
    assert "Running tflite on litert" in steps


def test_verify_an_export(model: Path, golden: Path) -> None:
    folder = kexport.export(model, golden=golden).folder
    result = kexport.verify(folder)
    assert result.passed
    assert result.rows[0].verdict.max_rel_error < 1e-5
    assert not kexport.verify(folder, golden=tiny.write_golden(Path("wrong.npz"), error=0.1)).passed


def test_verify_sees_a_changed_artifact(model: Path, golden: Path) -> None:
    result = kexport.export(model, golden=golden)
    content = bytearray(result.artifact.read_bytes())
    content[-1] ^= 1
    result.artifact.write_bytes(content)
    (row,) = kexport.verify(result.folder).rows
    assert not row.passed
    assert "was changed after the export" in row.problem
    result.artifact.unlink()
    assert "is missing" in kexport.verify(result.folder).rows[0].problem


def test_verify_without_golden_vectors(model: Path, golden: Path) -> None:
    folder = kexport.export(model, verify=False).folder
    with pytest.raises(errors.NotVerifiedError, match="holds no golden vectors"):
        kexport.verify(folder)
    assert kexport.verify(folder, golden=golden).passed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "[" * 200_000,
        '{"format": 99}',
        '{"format": 1}',
        '{"format": 1, "golden": 3, "targets": 4}',
    ],
)
def test_verify_of_a_damaged_manifest(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(errors.UsageError):
        kexport.verify(tmp_path)


def test_a_manifest_cannot_name_files_elsewhere(model: Path, golden: Path) -> None:
    result = kexport.export(model, golden=golden)
    manifest = json.loads(result.manifest.read_text())
    manifest["targets"]["tflite"]["main"] = "../../tiny.h5"
    result.manifest.write_text(json.dumps(manifest))
    with pytest.raises(errors.UsageError, match="outside the folder"):
        kexport.verify(result.folder)


@pytest.mark.parametrize("emptied", ["targets", "files"])
def test_a_manifest_that_names_nothing_verifies_nothing(model: Path, golden: Path, emptied: str) -> None:
    result = kexport.export(model, golden=golden)
    manifest = json.loads(result.manifest.read_text())
    if emptied == "targets":
        manifest["targets"] = {}
    else:
        manifest["targets"]["tflite"]["files"] = []
    result.manifest.write_text(json.dumps(manifest))
    with pytest.raises(errors.UsageError, match="names no"):
        kexport.verify(result.folder)


def test_inspect(model: Path) -> None:
    result = kexport.inspect(model)
    assert result.model.keras_version == "2.2.4"
    assert result.model.format == "h5"
    assert [(port.name, port.dtype, port.shape) for port in result.inputs] == [
        ("hidden_input", "float32", ("batch", 4))
    ]
    assert [port.name for port in result.outputs] == ["scores"]
    rows = {row.path: row for row in result.layers}
    assert rows["hidden"].output_shapes == (("batch", 5),)
    assert rows["scores"].parameters == 18
    assert all(row.known for row in result.layers)
    assert [(report.target, report.exportable) for report in result.targets] == [
        (name, True) for name in ("coreml", "frozen_graph", "onnx", "saved_model", "tflite", "web")
    ]


def test_inspect_names_every_layer_that_stops_it(tmp_path: Path) -> None:
    strange = {"class_name": "Telepathy", "config": {"name": "hidden", "batch_input_shape": [None, 4]}}
    result = kexport.inspect(tiny.write_model(tmp_path / "tiny.h5", layers=tiny.layers_of(strange)))
    assert [row.class_name for row in result.layers if not row.known] == ["Telepathy"]
    assert [port.shape for port in result.inputs] == [("batch", 4)]
    assert not result.outputs
    assert [row.output_shapes for row in result.layers if row.path == "hidden_input"] == [(("batch", 4),)]
    report = result.targets[-1]
    assert not report.exportable
    assert "'hidden'" in report.problems[0]
    assert "Telepathy" in report.problems[0]


def test_a_live_model_needs_no_file() -> None:
    with pytest.raises(errors.UsageError, match="a path or a live"):
        kexport.export(object(), verify=False)


def test_samples_in_memory_are_checked(model: Path) -> None:
    with pytest.raises(errors.UsageError, match=r"an array for each input: hidden_input\. Received: other"):
        kexport.export(model, samples={"other": np.zeros((2, 4), np.float32)})
    assert not Path("tiny_export").exists()


def test_the_models_own_keras_is_the_reference(model: Path, tmp_path: Path) -> None:
    result = kexport.export(model, samples={"hidden_input": np.eye(4, dtype=np.float32)})
    assert result.verified
    assert result.targets[0].verdict.samples == 4
    golden = load_golden(result.golden)
    np.testing.assert_allclose(golden.outputs["scores"], tiny.predict(np.eye(4, dtype=np.float32)), atol=1e-6)
    assert not golden.layers
    recorded = kexport.record(model, tmp_path / "golden.npz", layers=True)
    assert set(recorded.golden.layers) >= {"hidden", "scores"}
    assert kexport.verify(result.folder, golden=recorded.path).passed


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"target": 5}, "A target is the name of a format"),
        ({"golden": 5}, "Golden vectors are the path"),
        ({"samples": np.zeros((2, 4), np.float32)}, "Samples are arrays by input name"),
        ({"custom_objects": "nowhere.py"}, "Custom objects are a Python file"),
    ],
)
def test_arguments_of_a_wrong_type(model: Path, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(errors.UsageError, match=words):
        kexport.export(model, **arguments)
