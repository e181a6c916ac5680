"""The command line: exit codes one by one, what goes where, and that no error is a traceback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import kexport
from kexport import plugins
from kexport.cli.commands import COMMANDS
from kexport.cli.main import run
from support import tiny

#: The targets that come with kexport.
NAMES = ["coreml", "frozen_graph", "onnx", "saved_model", "tflite", "web"]

PROGRAM = [sys.executable, "-c", "from kexport.cli.main import main; main()"]


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    tiny.write_golden(tmp_path / "tiny.npz")
    return tiny.write_model(tmp_path / "tiny.h5").name


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Run what must fail: nothing on standard output, one error, no traceback, no folder left."""
    code = run(list(arguments))
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    assert sum(line.lower().startswith("error: ") for line in err.splitlines()) == 1
    assert not list(Path.cwd().glob("*_export"))
    assert not list(Path.cwd().glob(".*"))
    return code, err


def test_0_verified(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--target", "tflite", model, "--golden", "tiny.npz"]) == 0
    out, err = capsys.readouterr()
    assert "tiny_export/tflite/model.tflite" in out
    assert "scores" in out
    assert "verified" in out
    assert "pass" in out
    assert err.splitlines()[0] == "Reading the model …"


def test_0_not_verified_when_asked_so(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--target", "tflite", model, "--no-verify", "--quiet"]) == 0
    out, err = capsys.readouterr()
    assert "not verified (as asked)" in out
    assert err == ""


def test_the_command_may_be_named(model: str) -> None:
    assert run(["export", "--target", "tflite", model, "--golden", "tiny.npz", "-o", "out"]) == 0
    assert Path("out/manifest.json").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--target", "floppy", "tiny.h5"], "There is no target 'floppy'"),
        (["tiny.h5"], "Missing option '--target'"),
        (["--target", "tflite"], "Missing argument 'MODEL'"),
        (["--target", "tflite", "tiny.h5", "--loud"], "No such option"),
        (["--target", "tflite", "tiny.h5", "--batch", "many"], "--batch is a positive number or 'dynamic'"),
        (["--target", "tflite", "tiny.h5", "--batch", "0"], "Received: '0'"),
        (["--target", "tflite", "tiny.h5", "--dim", "time"], "--dim takes NAME=N"),
        (["--target", "tflite", "tiny.h5", "--input-shape", "a,b"], "positive numbers and ?"),
        (
            ["--target", "tflite", "tiny.h5", "--input-shape", "4", "--input-shape", "x=4"],
            "needs the name of its input",
        ),
        (["--target", "tflite", "tiny.h5", "--no-verify", "--golden", "tiny.npz"], "verifies nothing"),
        (["--target", "tflite", "tiny.h5", "--golden", "none.npz"], "no file 'none.npz'"),
        (["--target", "tflite", "tiny.h5", "--golden", "tiny.npz", "-o", "tiny.h5"], "must be a folder"),
        (["verify", "."], "is not an export"),
        (["record"], "A model is needed"),
    ],
)
def test_2_usage(model: str, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    code, err = refused(capsys, *arguments)
    assert code == 2
    assert message in err


@pytest.mark.parametrize(
    "content", [b"", b"\x89HDF\r\n\x1a\n", b"PK\x03\x04", b"{", b"hello", b"\x89HDF\r\n\x1a\n" + b"\0" * 4000]
)
@pytest.mark.parametrize("command", [["--target", "tflite"], ["inspect"], ["record"]])
def test_3_what_is_no_model(
    model: str, capsys: pytest.CaptureFixture[str], content: bytes, command: list[str]
) -> None:
    Path("bad.h5").write_bytes(content)
    code, err = refused(capsys, *command, "bad.h5", "--quiet")
    assert code == 3
    assert "bad.h5" in err


def test_3_a_truncated_model(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    whole = Path(model).read_bytes()
    Path("short.h5").write_bytes(whole[: len(whole) // 2])
    assert refused(capsys, "--target", "tflite", "short.h5")[0] == 3


def test_3_no_such_file(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, err = refused(capsys, "--target", "tflite", "nowhere.h5")
    assert code == 3
    assert "nowhere.h5" in err


def test_4_an_unknown_layer(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    strange = {"class_name": "Telepathy", "config": {"name": "hidden", "batch_input_shape": [None, 4]}}
    tiny.write_model(Path("strange.h5"), layers=tiny.layers_of(strange))
    code, err = refused(capsys, "--target", "tflite", "strange.h5", "--no-verify")
    assert code == 4
    assert "'hidden' is a 'Telepathy'" in err
    assert "hint: " in err
    assert "--custom-objects FILE" in err


def test_5_other_outputs(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    tiny.write_golden(Path("wrong.npz"), error=0.01, layers=True)
    code, err = refused(capsys, "--target", "tflite", model, "--golden", "wrong.npz")
    assert code == 5
    assert "The first layer that drifts is 'scores' (Dense)" in err


def test_7_a_missing_runtime(
    model: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        type(plugins.runtime("litert")), "available", lambda self: "pip install ai-edge-litert"
    )
    code, err = refused(capsys, "--target", "tflite", model)
    assert code == 7
    assert "pip install ai-edge-litert" in err
    assert "--no-verify" in err


def test_8_nothing_to_verify_with(
    model: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEXPORT_BACKENDS", "none")
    tiny.write_model(Path("theano.h5"), backend="theano")
    assert run(["--target", "tflite", "theano.h5", "--quiet"]) == 8
    out, err = capsys.readouterr()
    assert "NOT VERIFIED" in out
    assert err.startswith("warning: tflite is not verified. The model was trained on theano")
    assert "--golden" in err
    assert Path("theano_export/tflite/model.tflite").is_file()


def broken(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def export(*arguments: Any, **options: Any) -> Any:
        raise error

    monkeypatch.setattr(kexport, "export", export, raising=False)


def test_1_an_internal_error(
    model: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(monkeypatch, ZeroDivisionError("oops"))
    code, err = refused(capsys, "--target", "tflite", model)
    assert code == 1
    assert "Internal error: ZeroDivisionError: oops" in err
    assert "--debug" in err
    assert run(["--target", "tflite", model, "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_130_an_interrupt(
    model: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(monkeypatch, KeyboardInterrupt())
    assert refused(capsys, "--target", "tflite", model)[0] == 130


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_leave_nothing(model: str, number: int, code: int) -> None:
    slow = (
        "import time; from pathlib import Path; from kexport import plugins; from kexport.cli.main import main; "
        "kind = type(plugins.target('tflite')); "
        "kind.emit = lambda self, graph, folder, options: (Path('here').touch(), time.sleep(60)); main()"
    )
    command = [sys.executable, "-c", slow, "--target", "tflite", model, "--no-verify"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    stop = time.monotonic() + 60
    while not Path("here").exists() and time.monotonic() < stop:
        time.sleep(0.02)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in err
    assert sorted(os.listdir()) == ["here", "tiny.h5", "tiny.npz"]


def test_a_reader_that_goes_away_is_no_error(model: str) -> None:
    piped = f"{sys.executable} -c 'from kexport.cli.main import main; main()' layers | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", piped], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "0"
    assert done.stderr == ""


def test_json(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--target", "tflite", model, "--golden", "tiny.npz", "--json", "--float16"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["exit_code"] == 0
    assert set(result) == {"exit_code", "failures", "folder", "golden", "manifest", "model", "targets"}
    (target,) = result["targets"]
    assert target["status"] == "verified"
    assert target["options"] == {"float16": True, "fused_lstm": False}
    assert target["verification"]["passed"] is True


def test_json_of_a_failure(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--target", "tflite", "missing.h5", "--json", "--quiet"]) == 3
    out, err = capsys.readouterr()
    result = json.loads(out)
    assert result["exit_code"] == 3
    assert result["error"]["class"] == "ModelReadError"
    assert result["error"]["message"] in err
    assert set(result["error"]) == {"class", "message", "hint"}


def test_verify(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    run(["--target", "tflite", model, "--golden", "tiny.npz"])
    capsys.readouterr()
    assert run(["verify", "tiny_export"]) == 0
    assert "passed" in capsys.readouterr().out
    tiny.write_golden(Path("wrong.npz"), error=0.5)
    assert run(["verify", "tiny_export", "--golden", "wrong.npz", "--json"]) == 5
    assert json.loads(capsys.readouterr().out)["passed"] is False
    Path("tiny_export/tflite/model.tflite").write_bytes(b"")
    assert run(["verify", "tiny_export"]) == 5
    assert "was changed" in capsys.readouterr().out


def test_inspect(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", model]) == 0
    out, _ = capsys.readouterr()
    for word in (
        "Keras 2.2.4 on tensorflow",
        "hidden",
        "(batch, 5)",
        "18",
        "tflite: can be exported",
        "input hidden_input",
    ):
        assert word in out
    assert run(["inspect", model, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["targets"] == [{"target": name, "exportable": True, "problems": []} for name in NAMES]
    assert [layer["parameters"] for layer in result["layers"]][-1] == 18


def test_targets_layers_and_doctor(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["targets"]) == 0
    shown = capsys.readouterr().out
    assert (
        "--float16: Store weights in half precision (half the size, same speed). (on by default)\n" in shown
    )
    assert "--image-scale: The model's numbers are scale * pixel + bias. (default: 1.0)\n" in shown
    assert not [words for words in ("None)", "False)", "default: )") if words in shown]
    assert run(["targets", "--json"]) == 0
    assert [target["name"] for target in json.loads(capsys.readouterr().out)] == NAMES
    assert run(["layers"]) == 0
    listed = capsys.readouterr().out
    assert {"Conv2D", "Dense", "InputLayer", "ops.Add", "tf.add"} <= set(listed.split())
    assert "DenseFeatures: its feature columns are" in listed
    assert max(map(len, listed.partition("refused:")[0].splitlines())) < 110
    assert run(["doctor"]) == 0
    told = {line.split()[0] for line in capsys.readouterr().out.splitlines() if line[:1].strip()}
    assert told >= {"ai-edge-litert", "coremltools", "grpcio", "onnx", "onnxruntime", "tensorflow"}
    assert run(["doctor", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ready"] is True


def test_layers_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["layers", "--json"]) == 0
    known = json.loads(capsys.readouterr().out)
    assert {"Dense", "Sequential"} <= set(known["layers"])
    assert all(name.startswith("ops.") for name in known["operations"])
    assert "tf.matmul" in known["functions"]
    refused = {row["name"]: row for row in known["refused"]}
    assert not refused.keys() & {*known["layers"], *known["operations"], *known["functions"]}
    assert [refused[name]["kind"] for name in ("Lambda", "ops.Cond", "tf.map_fn", "tf.random.*")] == [
        "layer", "operation", "function", "function"
    ]  # fmt: skip
    assert all(row["reason"] for row in refused.values())


def test_doctor_says_what_is_missing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from kexport.api import installed

    monkeypatch.setattr(
        installed, "_version", lambda name: "1.0" if name in ("numpy", "h5py", "flatbuffers") else ""
    )
    assert run(["doctor"]) == 7
    out, _ = capsys.readouterr()
    assert "pip install 'kexport[tensorflow]'" in out
    assert "missing" in out


def test_the_recorder_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["record", "--print-script"]) == 0
    text = capsys.readouterr().out
    compile(text, "record_model.py", "exec")
    assert text.startswith("#!")


def test_help_names_every_command_and_the_targets_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    out, _ = capsys.readouterr()
    for word in [*COMMANDS, "--target", "--float16", "--no-verify", "--batch"]:
        assert word in out


def test_help_has_each_targets_own_words_and_batch(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export", "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert (
        "in float32. [coreml] Store weights in half precision (half the size, same speed). [onnx, tflite, web: on]"
        in shown
    )
    dynamic = {name for name in NAMES if getattr(plugins.target(name), "default_batch", 1) == "dynamic"}
    told = shown.partition("[default: 1; ")[2].partition(": dynamic]")[0]
    assert set(told.split(", ")) == dynamic


@pytest.mark.parametrize(
    "name", [name for name in COMMANDS if name != "backend"] + ["backend list", "backend setup"]
)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*name.split(), "--help"]) == 0
    assert "--json" in capsys.readouterr().out


def test_no_arguments_show_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    captured = capsys.readouterr()
    assert "Usage: kexport" in captured.out + captured.err


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"kexport, version {kexport.__version__}\n"


def test_an_export_with_golden_vectors_imports_no_framework(model: str) -> None:
    code = (
        "import sys; from kexport.cli.main import run; "
        "assert run(['--target', 'tflite', 'tiny.h5', '--golden', 'tiny.npz']) == 0; "
        "assert not {'tensorflow', 'keras', 'tf_keras', 'jax', 'torch'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
