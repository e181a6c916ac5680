"""What an export of a model of an old backend is verified with: that backend, else a golden file, else nothing (exit code 8)."""

from __future__ import annotations

import zipfile
from pathlib import Path

import h5py
import pytest

from kexport import backends
from kexport.cli.main import run
from kexport.reference import record_model
from support.real_backends import HOME, only_where_possible, ready

LEGACY = Path(__file__).parents[1] / "fixtures" / "legacy"


@pytest.fixture(autouse=True)
def no_environments(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KEXPORT_BACKENDS", str(tmp_path / "none"))


def model(archive: str, row: str, folder: Path) -> str:
    with zipfile.ZipFile(LEGACY / f"{archive}.zip") as file:
        return file.extract(f"{row}.h5", folder)


def export(capsys: pytest.CaptureFixture[str], path: str, folder: Path, *options: str) -> tuple[int, str]:
    """The exit code of ``kexport --target tflite``, and all that it said, in one line."""
    code = run(["--target", "tflite", path, "--output", str(folder / "out"), *options])
    told = capsys.readouterr()
    return code, " ".join((told.out + told.err).split())


@only_where_possible
def test_the_models_own_backend_is_the_reference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ready("cntk")
    monkeypatch.setenv("KEXPORT_BACKENDS", str(HOME))
    code, told = export(capsys, model("keras-2.3.1-cntk", "LSTM", tmp_path), tmp_path)
    assert code == 0
    assert "(cntk 2.7" in told
    assert "tensorflow" not in told


@only_where_possible
def test_else_a_golden_file_that_was_recorded_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ready("cntk")
    path, golden = model("keras-2.3.1-cntk", "windows-Conv2D-first", tmp_path), tmp_path / "golden.npz"
    with monkeypatch.context() as there:
        there.setenv("KEXPORT_BACKENDS", str(HOME))
        script = str(Path(record_model.__file__))
        assert backends.run("cntk", ["python", script, path, "--out", str(golden)]) == 0
    assert backends.environment("cntk") is None
    code, told = export(capsys, path, tmp_path, "--golden", str(golden))
    assert code == 0
    assert "(cntk 2.7" in told


@pytest.mark.parametrize(
    ("archive", "row", "name"),
    [
        ("keras-2.3.1-cntk", "LSTM", "cntk"),
        ("keras-2.3.1-theano", "Conv2D-first", "theano"),
        ("keras-2.2.4.3-mxnet", "Conv2D-first", "mxnet"),
    ],
)
def test_else_the_export_says_that_it_is_not_verified(
    archive: str, row: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = export(capsys, model(archive, row, tmp_path), tmp_path)
    assert code == 8
    assert (tmp_path / "out" / "tflite" / "model.tflite").is_file()
    assert f"kexport backend setup {name}" in told
    assert "record_model.py" in told


def test_keras_1_files_do_not_say_what_trained_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = model("keras-1.2.2-theano", "Convolution2D-th", tmp_path)
    code, told = export(capsys, path, tmp_path)
    assert code == 8
    assert "Theano applies convolution kernels mirrored" in told
    assert "--trained-on theano" in told
    code, told = export(capsys, path, tmp_path, "--trained-on", "theano")
    assert code == 8
    assert "applies convolution kernels mirrored" not in told
    assert "kexport backend setup keras1-theano" in told
    code, told = export(capsys, model("keras-1.2.2-theano", "windows-MaxPooling2D-tf", tmp_path), tmp_path)
    assert "padding 'same' elsewhere" in told
    code, told = export(capsys, model("keras-1.2.2-theano", "Dense", tmp_path), tmp_path)
    assert "elsewhere" not in told


def test_a_loop_of_mxnet_is_refused_with_its_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = model("keras-2.2.4.3-mxnet", "LSTM-unroll", tmp_path)
    with h5py.File(path, "r+") as file:
        config = (
            h5py.check_string_dtype(file.attrs.get_id("model_config").dtype) and file.attrs["model_config"]
        )
        text = config if isinstance(config, str) else bytes(config).decode()
        file.attrs["model_config"] = text.replace('"unroll": true', '"unroll": false')
    code, told = export(capsys, path, tmp_path)
    assert code == 4
    assert "computes with zeros in place of its weights" in told
    assert "unroll=True" in told
    assert not (tmp_path / "out").exists()
