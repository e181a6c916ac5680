"""Files that name code of the user's, with --custom-objects, --custom-object and --trust-lambda."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

import kexport
from kexport import errors
from kexport.cli.main import run as run_command
from kexport.reference import record_model
from support.making import made

HERE = Path(__file__).resolve().parent
CODE = HERE / "custom_code.py"


@pytest.fixture(scope="module")
def models() -> Path:
    make = HERE / "make_models.py"
    return made("custom-code", scripts=[CODE, make], packages=["keras"], commands=[[str(make)]])


def run(*arguments: object) -> int:
    return run_command([str(argument) for argument in arguments])


@pytest.mark.parametrize("file", ["functional.keras", "functional.h5", "subclassed.keras"])
def test_custom_objects(file: str, models: Path, tmp_path: Path) -> None:
    result = kexport.export(models / file, output=tmp_path / "out", custom_objects=CODE)
    assert result.verified
    settings = json.loads(result.manifest.read_text())["settings"]
    assert settings["custom_objects"]["file"] == "custom_code.py"
    assert len(settings["custom_objects"]["sha256"]) == 64


def test_the_same_bytes_again(models: Path, tmp_path: Path) -> None:
    first, second = (
        kexport.export(models / "functional.keras", output=tmp_path / name, custom_objects=CODE, verify=False)
        for name in ("a", "b")
    )
    assert first.artifact.read_bytes() == second.artifact.read_bytes()


def test_a_golden_file_needs_the_code_for_tracing_alone(models: Path, tmp_path: Path) -> None:
    golden = kexport.record(models / "subclassed.keras", tmp_path / "golden.npz", custom_objects=CODE)
    result = kexport.export(
        models / "subclassed.keras", output=tmp_path / "out", custom_objects=CODE, golden=golden.path
    )
    assert result.verified


def test_inspect(models: Path) -> None:
    found = kexport.inspect(models / "functional.keras", custom_objects=CODE)
    assert all(report.exportable for report in found.targets)
    assert {row.path: row.known for row in found.layers}["block"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--custom-object", "<lambda>=relu(negative_slope=0.1, max_value=20)"],
        ["--custom-objects", str(CODE)],
        ["--custom-objects", str(CODE), "--custom-object", "<lambda>=wave"],
    ],
)
def test_a_lambda_said_by_the_user(arguments: list[str], models: Path, tmp_path: Path) -> None:
    assert (
        run("--target", "tflite", models / "unnamed.h5", "--output", tmp_path / "out", "-q", *arguments) == 0
    )


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_lambda_layer_is_run_when_it_is_trusted(
    suffix: str, models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["--target", "tflite", models / f"lambda{suffix}", "--output", tmp_path / "out", "-q"]
    assert run(*command) == 4
    said = capsys.readouterr().err
    assert "'lambda' (Lambda)" in said
    assert "--trust-lambda runs the code, with your rights, in a process of its own" in said
    assert not (tmp_path / "out").exists()
    assert run(*command, "--trust-lambda") == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 4, ["'dense' (Dense)", "'<lambda>'", "--custom-object '<lambda>=relu(max_value=6)'"]),
        (["--custom-object", "relu"], 2, ["NAME=EXPRESSION", "'relu'"]),
        (["--custom-object", "<lambda>=relu(slope=1)"], 4, ["relu", "slope"]),
        (["--custom-objects", "nowhere.py"], 2, ["nowhere.py", "no file"]),
    ],
)
def test_what_the_user_says_wrong(
    arguments: list[str],
    code: int,
    words: list[str],
    models: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ["--target", "tflite", models / "unnamed.h5", "--output", tmp_path / "out", "-q"]
    assert run(*command, *arguments) == code
    said = capsys.readouterr().err
    assert "Traceback" not in said
    for word in words:
        assert word in said


def library(major: int) -> SimpleNamespace:
    """A Keras with one activation."""

    def relu(
        x: float, alpha: float = 0.0, max_value: float | None = None
    ) -> tuple[float, float, float | None]:
        return x, alpha, max_value

    def newer(x: float, negative_slope: float = 0.0) -> tuple[float, float]:
        return x, negative_slope

    module = SimpleNamespace(activations=SimpleNamespace(relu=relu if major < 3 else newer))
    return SimpleNamespace(module=module, major=major)


@pytest.mark.parametrize(
    ("text", "major", "result"),
    [
        ("f=relu", 2, (1, 0.0, None)),
        ("f=relu(max_value=2+1)", 2, (1, 0.0, 3)),
        ("f=relu(negative_slope=0.5, max_value=3)", 2, (1, 0.5, 3)),
        ("f=relu(negative_slope=0.5)", 3, (1, 0.5)),
        ("f=lambda x: relu(x, 0.25)[1]", 3, 0.25),
        ("f=mine(more=1)", 3, 2),
        ("f=mine", 3, 1),
    ],
)
def test_an_expression_is_a_function(text: str, major: int, result: object) -> None:
    scope = {"mine": lambda x, more=0: x + more}
    name, made_of = record_model.evaluate(text, library(major), scope)
    assert name == "f"
    assert made_of(1) == result


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("f=", "NAME=EXPRESSION"),
        ("f=no_such", "no_such"),
        ("f=3 +", "SyntaxError"),
        ("f=3", "a function or a class"),
        ("f=relu(slope=1)", "slope"),
        ("f=relu(max_value=no_such)", "no_such"),
    ],
)
def test_an_expression_that_is_none(text: str, words: str) -> None:
    with pytest.raises(record_model.RecordError, match=words):
        record_model.evaluate(text, library(2), {})


def test_without_the_code(models: Path, tmp_path: Path) -> None:
    with pytest.raises(errors.UnknownLayerError, match=r"(?s)'scale' is a 'Scale'.*--custom-objects FILE"):
        kexport.export(models / "functional.keras", output=tmp_path / "out")
    with pytest.raises(errors.CodeModelError, match=r"(?s)a 'Tagger'.*--custom-objects FILE"):
        kexport.export(models / "subclassed.keras", output=tmp_path / "out")


def test_code_that_lacks_a_class(models: Path, tmp_path: Path) -> None:
    file = tmp_path / "half.py"
    file.write_text("import keras\nclass Scale(keras.layers.Layer):\n    pass\n")
    with pytest.raises(errors.LoweringError, match="can't be") as caught:
        kexport.export(models / "functional.keras", output=tmp_path / "out", custom_objects=file)
    assert "Cell" in str(caught.value) or "Block" in str(caught.value)


def test_code_that_fails(models: Path, tmp_path: Path) -> None:
    file = tmp_path / "broken.py"
    file.write_text("import no_such_package\n")
    with pytest.raises(errors.LoweringError, match="no_such_package"):
        kexport.export(models / "functional.keras", output=tmp_path / "out", custom_objects=file)
