"""The standalone recorder: one file for any Keras and any Python since 2.7."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from kexport.errors import UnsafeModelError
from kexport.loading.spec import Provenance
from kexport.reference import Reference, load_golden, record_model
from support.making import made

MAKE = Path(__file__).resolve().parent / "make_models.py"
SCRIPT = Path(record_model.__file__)


@pytest.fixture(scope="module")
def models() -> Path:
    return made(
        "reference",
        scripts=[MAKE],
        packages=["keras", "tf_keras", "tensorflow"],
        commands=[[str(MAKE), "keras"], [str(MAKE), "tf_keras"]],
    )


def run(*arguments: object, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The script, copied elsewhere, in a process that has no kexport."""
    script = folder / "record_model.py"
    shutil.copy(SCRIPT, script)
    return subprocess.run(
        [sys.executable, str(script), *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "KERAS_BACKEND": "tensorflow", **environment},
    )


# --- the language -----------------------------------------------------------------------------------------------------

#: What Python 2.7's grammar does not have.
NEWER = (
    *(ast.JoinedStr, ast.AnnAssign, ast.NamedExpr, ast.Nonlocal, ast.YieldFrom, ast.MatMult),
    *(ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await, ast.Match, ast.TryStar),
)


def test_nothing_is_newer_than_python_2() -> None:
    for node in ast.walk(ast.parse(SCRIPT.read_text("utf-8"))):
        assert not isinstance(node, NEWER), ast.dump(node)
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            assert not any(isinstance(item, ast.Starred) for item in node.elts)
        if isinstance(node, ast.Call):
            assert not any(isinstance(item, ast.Starred) for item in node.args[:-1])
        if isinstance(node, ast.FunctionDef):
            assert node.returns is None
            assert not node.args.kwonlyargs
            assert not node.args.posonlyargs
            assert all(arg.annotation is None for arg in node.args.args)
        if isinstance(node, ast.Raise):
            assert node.cause is None, f"line {node.lineno}: raise … from is Python 3's"
        if isinstance(node, ast.ClassDef):
            assert node.bases, f"line {node.lineno}: a class without a base is an old one in Python 2"
            assert not node.keywords


def test_nothing_but_the_standard_library_is_imported_at_first() -> None:
    tree = ast.parse(SCRIPT.read_text("utf-8"))
    imported = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in tree.body if isinstance(node, ast.ImportFrom)}
    assert imported <= sys.stdlib_module_names
    assert "kexport" not in {
        alias.name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }


@pytest.mark.skipif(shutil.which("python2.7") is None, reason="there is no python2.7 here")
def test_python_2_compiles_it(tmp_path: Path) -> None:
    code = f"compile(open({str(SCRIPT)!r}).read(), 'record_model.py', 'exec')"
    done = subprocess.run(
        ["python2.7", "-c", code], check=False, capture_output=True, text=True, cwd=tmp_path
    )
    if "command not found" in done.stderr:
        pytest.skip("python2.7 is a stand-in here")
    assert done.returncode == 0, done.stderr


# --- recording --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("library", ["keras", pytest.param("tf_keras", marks=pytest.mark.slow)])
def test_inputs_are_derived_from_the_layers(models: Path, tmp_path: Path, library: str) -> None:
    out = tmp_path / "golden.npz"
    done = run(
        models / f"{library}-several.h5", "--out", out, "--library", library, "--layers", folder=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{out}: 4 samples computed by {library} ")
    golden = load_golden(out)
    assert list(golden.inputs) == ["ids", "numbers"]
    assert list(golden.outputs) == ["head", "classes", "head_1"]
    assert golden.inputs["ids"].dtype == np.int32
    assert set(np.unique(golden.inputs["ids"])) <= set(range(11))
    assert {"words", "pooled", "head", "head:1"} <= set(golden.layers)
    assert golden.meta["seed"] == 0
    assert golden.meta["model_sha256"] == record_model.sha256(str(models / f"{library}-several.h5"))


def test_recording_twice_gives_the_same_bytes(models: Path, tmp_path: Path) -> None:
    for name, seed in (("a.npz", "1"), ("b.npz", "2")):
        done = run(models / "keras-sequential.h5", "--out", name, folder=tmp_path, PYTHONHASHSEED=seed)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    pixels = next(iter(load_golden(tmp_path / "a.npz").inputs.values()))
    assert 0 <= pixels.min() < 10
    assert 245 < pixels.max() <= 255


def test_a_golden_file_may_be_the_inputs(models: Path, tmp_path: Path) -> None:
    given = np.full((2, 4), 3, np.float32)
    np.savez(tmp_path / "mine.npz", **{"inputs/x": given, "outputs/y": np.zeros(2), "meta": np.array("{}")})
    done = run(models / "keras-fixed.keras", "--out", "o.npz", "--inputs", "mine.npz", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    golden = load_golden(tmp_path / "o.npz")
    np.testing.assert_array_equal(golden.inputs["x"], given)
    assert "seed" not in golden.meta


# --- what is refused, before Keras is imported ------------------------------------------------------------------------

LAMBDAS: dict[str, dict[str, Any]] = {
    "Keras 1 and 2": {"name": "f", "function": ["4wEAAAA=", None, None], "function_type": "lambda"},
    "tf.keras": {
        "name": "f",
        "function": {"class_name": "__tuple__", "items": ["4w==", None, None]},
        "function_type": "lambda",
    },
    "Keras 3": {"name": "f", "function": {"class_name": "__lambda__", "config": {"code": "4w=="}}},
    "an output shape": {
        "name": "f",
        "function": "relu",
        "output_shape_type": "lambda",
        "output_shape": ["4w==", None, None],
    },
}


def config_of(layer: dict[str, Any]) -> dict[str, Any]:
    return {"class_name": "Sequential", "config": {"layers": [layer]}}


def h5_of(path: Path, config: dict[str, Any]) -> Path:
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(config)
    return path


@pytest.mark.parametrize("written_by", LAMBDAS)
def test_code_in_a_config_is_refused(written_by: str) -> None:
    with pytest.raises(record_model.RecordError, match="Python code") as raised:
        record_model.check_config(config_of({"class_name": "Lambda", "config": LAMBDAS[written_by]}))
    assert raised.value.kind == "unsafe"


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("builtins", "eval"),
        ("keras.utils", "get_file"),
        ("tensorflow.io", "write_file"),
        ("mine", "Layer"),
    ],
)
def test_classes_from_elsewhere_are_refused(module: str, name: str) -> None:
    entry = {"module": module, "class_name": name, "config": {}}
    with pytest.raises(record_model.RecordError, match=f"{module}.{name}") as raised:
        record_model.check_config(config_of(entry))
    assert raised.value.kind == "custom"
    record_model.check_config(config_of(entry), known=[name])


@pytest.mark.parametrize(
    "file", ["keras-nested.keras", "keras-several.h5", "tf_keras-nested.keras", "tf_keras-several.h5"]
)
def test_keras_own_files_are_not_refused(models: Path, file: str) -> None:
    config = record_model.read_config(str(models / file))
    assert config is not None
    record_model.check_config(config)


@pytest.mark.parametrize("suffix", [".h5", ".keras", ".json"])
def test_a_file_with_code_ends_the_reference(tmp_path: Path, suffix: str) -> None:
    config = config_of({"class_name": "Lambda", "config": LAMBDAS["Keras 3"]})
    path = tmp_path / f"model{suffix}"
    if suffix == ".h5":
        h5_of(path, config)
    elif suffix == ".json":
        path.write_text(json.dumps(config))
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("config.json", json.dumps(config))
    with (
        Reference.start(path, Provenance("3.15.0", "tensorflow", "keras")) as reference,
        pytest.raises(UnsafeModelError, match="holds Python code"),
    ):
        reference.predict({"x": np.zeros((1, 1))}, output_names=["y"])


def test_errors_are_lines_not_traces(tmp_path: Path) -> None:
    path = h5_of(tmp_path / "model.h5", config_of({"class_name": "Lambda", "config": LAMBDAS["Keras 3"]}))
    done = run(path, "--out", "o.npz", folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "error: The file holds Python code (layer 'f'), which is not run.\n"
    assert done.stdout == ""
    assert not (tmp_path / "o.npz").exists()
    missing = run(tmp_path / "none.h5", "--out", "o.npz", folder=tmp_path)
    assert missing.returncode == 1
    assert missing.stderr.startswith("error: ")
    assert "Traceback" not in missing.stderr
    assert run(path, folder=tmp_path).returncode == 2


def test_without_keras_it_says_so(models: Path, tmp_path: Path) -> None:
    for name in ("keras", "tf_keras", "tensorflow"):
        (tmp_path / f"{name}.py").write_text(f"raise ImportError('no {name} here')")
    done = run(models / "keras-sequential.h5", "--out", "o.npz", folder=tmp_path)
    assert done.returncode == 1
    assert "Keras can't be imported here (keras: no keras here; tf_keras: no tf_keras here" in done.stderr


# --- names ------------------------------------------------------------------------------------------------------------


def test_names_are_made_unique_as_keras_does() -> None:
    assert record_model.unique(["a", "b", "a", "a", "a_1"]) == ["a", "b", "a_1", "a_2", "a_1_1"]


def test_names_of_the_caller_are_matched() -> None:
    assert record_model.match_names(["b", "a"], ["a", "b"], "inputs") == ["a", "b"]
    assert record_model.match_names(["x"], ["input_1"], "inputs") == ["x"]
    assert record_model.match_names(None, ["a"], "inputs") == ["a"]
    with pytest.raises(record_model.RecordError, match=r"2 inputs \(a, b\), not 1"):
        record_model.match_names(["x"], ["a", "b"], "inputs")
