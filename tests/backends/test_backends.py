"""Backend environments: found when whole, made whole or not at all, run by their own interpreter."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from kexport import backends
from kexport.backends import mpi, provision, python27, store
from kexport.backends.recipes import RECIPES
from kexport.cli.main import run
from kexport.errors import MissingDependencyError, NotVerifiedError, UsageError
from kexport.loading.spec import Provenance
from kexport.reference.candidates import candidates


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KEXPORT_BACKENDS", str(tmp_path / "backends"))
    return tmp_path / "backends"


def pretend(name: str, **variables: str) -> Path:
    """An environment whose Python is the one that runs the tests."""
    folder = store.folder_of(RECIPES[name])
    folder.mkdir(parents=True)
    marker = {"interpreter": [sys.executable], "variables": variables, "versions": "2.3.1 1.0"}
    (folder / store.MARKER).write_text(json.dumps(marker))
    return folder


def test_nothing_is_there_at_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert backends.environments() == []
    assert run(["backend", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == list(RECIPES)
    assert not any(row["ready"] for row in rows)


def test_a_folder_without_its_marker_is_none(home: Path) -> None:
    folder = pretend("theano")
    assert backends.environment("theano") is not None
    (folder / store.MARKER).write_text('{"interpreter": ["python"]')
    assert backends.environment("theano") is None
    (folder / store.MARKER).unlink()
    assert backends.environment("theano") is None


def test_what_another_recipe_made_is_none(home: Path) -> None:
    folder = pretend("theano")
    folder.rename(home / "theano-0123456789abcdef")
    assert backends.environment("theano") is None


def test_python_is_the_environments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend("theano", KERAS_BACKEND="theano", THEANO_FLAGS="cxx=")
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    script = tmp_path / "show.py"
    script.write_text(
        "import os, sys; open(sys.argv[1], 'w').write(repr([os.environ.get(k) for k in "
        "('KERAS_BACKEND', 'THEANO_FLAGS', 'PYTHONPATH')])); sys.exit(5)"
    )
    out = tmp_path / "out.txt"
    assert run(["backend", "run", "theano", "--", "python", str(script), str(out)]) == 5
    assert out.read_text() == "['theano', 'cxx=', None]"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["run", "theano", "--", "python"], 7, "kexport backend setup theano"),
        (["run", "teano", "--", "python"], 2, "Backends: tensorflow"),
        (["setup", "teano"], 2, "Backends: tensorflow"),
        (["setup", "jax", "--python", "/no/such/python"], 7, "/no/such/python"),
    ],
)
def test_errors(
    arguments: list[str], code: int, words: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["backend", *arguments]) == code
    assert words in capsys.readouterr().err
    assert not home.exists() or not list(home.iterdir())


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, MissingDependencyError("No network.")])
def test_what_is_interrupted_leaves_nothing(
    error: BaseException, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise error

    monkeypatch.setattr(provision, "_install", failing)
    with pytest.raises(type(error) if isinstance(error, Exception) else error):
        backends.setup("jax")
    assert list(home.iterdir()) == []
    assert backends.environment("jax") is None


def test_a_killed_setup_is_made_anew(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = store.folder_of(RECIPES["jax"])
    (left / "venv").mkdir(parents=True)
    assert backends.environment("jax") is None
    monkeypatch.setattr(provision, "_install", lambda *_: None)
    monkeypatch.setattr(provision, "_probe", lambda *_: "1.0")
    made = backends.setup("jax")
    assert made.versions == "1.0"
    done = subprocess.run([*made.interpreter, "-c", "print(7)"], check=True, capture_output=True, text=True)
    assert done.stdout == "7\n"
    assert backends.setup("jax") == made


def test_remove(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pretend("tensorflow")
    kept = pretend("tensorflow1")
    assert run(["backend", "remove", "tensorflow", "cntk"]) == 0
    assert capsys.readouterr().out == "tensorflow: removed\ncntk: was not set up\n"
    assert list(home.iterdir()) == [kept]


def test_a_missing_program_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(MissingDependencyError, match=r"(?s)gcc and nm is missing.*apt install gcc"):
        mpi.build(tmp_path, tmp_path / "mpi")
    with pytest.raises(MissingDependencyError, match=r"(?s)apt-get and dpkg is missing.*--python"):
        python27.unpack(tmp_path / "python27")


@pytest.mark.parametrize(
    ("backend", "version", "recipe"),
    [
        ("theano", "2.3.1", "theano"),
        ("cntk", "2.2.4", "cntk"),
        ("mxnet", "2.2.4", "mxnet"),
        ("theano", "1.2.2", "keras1-theano"),
    ],
)
def test_the_reference_of_an_old_model_is_its_own_backend(backend: str, version: str, recipe: str) -> None:
    provenance = Provenance(version, backend, "h5")
    with pytest.raises(NotVerifiedError, match=f"kexport backend setup {recipe}"):
        candidates(provenance)
    pretend(recipe, KERAS_BACKEND=backend)
    (candidate,) = candidates(provenance)
    assert candidate.interpreter == (sys.executable,)
    assert candidate.environment["KERAS_BACKEND"] == backend


def test_a_keras_1_model_of_an_unknown_backend_has_no_reference() -> None:
    with pytest.raises(NotVerifiedError, match="--trained-on theano"):
        candidates(Provenance("1.2.2", "", "h5"))


def test_unknown_names() -> None:
    with pytest.raises(UsageError, match="no backend 'x'"):
        backends.environment("x")
