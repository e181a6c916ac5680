"""Backend environments: found when whole, made whole or not at all, run by their own interpreter."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from kexport import backends
from kexport.backends import mpi, python27, store
from kexport.backends.processes import Ended, failure
from kexport.backends.recipes import RECIPES
from kexport.cli.main import run
from kexport.errors import MissingDependencyError, NotVerifiedError, UsageError
from kexport.loading.spec import Provenance
from kexport.reference.candidates import candidates, needs_tracer, tracers


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


def kept(home: Path) -> list[str]:
    """What is in the folder besides locks."""
    return sorted(path.name for path in home.iterdir() if path.suffix != ".lock") if home.exists() else []


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
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", "1")
    script = tmp_path / "show.py"
    script.write_text(
        "import os, sys; open(sys.argv[1], 'w').write(repr([os.environ.get(k) for k in "
        "('KERAS_BACKEND', 'THEANO_FLAGS', 'PYTHONPATH', 'TF_USE_LEGACY_KERAS')])); sys.exit(5)"
    )
    out = tmp_path / "out.txt"
    assert run(["backend", "run", "theano", "--", "python", str(script), str(out)]) == 5
    assert out.read_text() == "['theano', 'cxx=', None, None]"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["setup", "jax", "teano"], 2, "Backends: tensorflow"),
        (["setup", "jax", "--python", "x", "--command", "y"], 2, "give one of them"),
        (["setup", "jax", "--command", "python '"], 2, "No closing quotation"),
        (["setup", "jax", "--command", ""], 2, "The command is empty"),
        (["run", "theano", "--", "python"], 7, "kexport backend setup theano"),
        (["run", "teano", "--", "python"], 2, "Backends: tensorflow"),
        (["setup", "teano"], 2, "Backends: tensorflow"),
        (["remove", "jax", "teano"], 2, "Backends: tensorflow"),
        (["setup", "jax", "--python", "/no/such/python"], 7, "/no/such/python"),
    ],
)
def test_errors(
    arguments: list[str], code: int, words: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["backend", *arguments]) == code
    assert words in capsys.readouterr().err
    assert kept(home) == []


def test_remove(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pretend("tensorflow")
    (home / "tensorflow-0123456789abcdef.1").mkdir()
    other = pretend("tensorflow1")
    assert run(["backend", "remove", "tensorflow", "cntk"]) == 0
    assert capsys.readouterr().out == "tensorflow: removed\ncntk: was not set up\n"
    assert kept(home) == [other.name]
    assert run(["backend", "remove", "tensorflow1", "teano"]) == 2
    assert kept(home) == [other.name]  # all names are looked at before the first is removed
    capsys.readouterr()
    assert run(["backend", "remove", "tensorflow1", "jax", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {"name": "tensorflow1", "removed": True}, {"name": "jax", "removed": False}
    ]  # fmt: skip


def test_a_missing_program_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(MissingDependencyError, match=r"(?s)Missing to make them: gcc, nm.*apt install gcc"):
        mpi.check()
    with pytest.raises(MissingDependencyError, match=r"(?s)apt-get and dpkg are missing.*--python"):
        python27.check()


PIP_OFFLINE = """\
WARNING: Retrying (Retry(total=2, connect=None)) after connection broken by 'NewConnectionError('<HTTPSConnection object at 0x7f>: \
Failed to establish a new connection: [Errno -3] Temporary failure in name resolution')': /simple/keras/
ERROR: Could not find a version that satisfies the requirement keras==2.3.1 (from versions: none)
ERROR: No matching distribution found for keras==2.3.1
""".splitlines()
APT_REFUSED = """\
E: Failed to fetch http://deb.debian.org/debian/dists/bullseye/InRelease  Could not connect to 127.0.0.1:9 (127.0.0.1). - \
connect (111: Connection refused)
E: Some index files failed to download. They have been ignored, or old ones used instead.
""".splitlines()


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (PIP_OFFLINE, "the network does not reach them (Temporary failure in name resolution)."),
        (
            APT_REFUSED,
            "the network does not reach them (Could not connect to 127.0.0.1:9 (127.0.0.1). - connect (111: Connection refused)).",
        ),
        (PIP_OFFLINE[1:], "there is no keras==2.3.1 for this Python and this machine."),
        (["OSError: [Errno 28] No space left on device"], "the disk is full."),
        (
            ["error: command 'gcc' failed: No such file or directory"],
            "a C compiler is needed to build a package (error: command 'gcc' failed: No such file or directory).",
        ),
        (["E: Unable to locate package libffi7"], "E: Unable to locate package libffi7"),
    ],
)
def test_a_failed_program_says_what_is_missing(lines: list[str], words: str) -> None:
    told = failure(Ended(1, lines), "The packages can't be had", "hint")
    assert str(told).startswith(f"The packages can't be had: {words}")


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


def test_the_doctor_shows_them(capsys: pytest.CaptureFixture[str]) -> None:
    pretend("theano")
    run(["doctor"])
    told = capsys.readouterr().out
    assert "theano          2.3.1 1.0" in told
    assert "cntk            -  kexport backend setup cntk" in told
    run(["doctor", "--json"])
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["backends"]}
    assert list(rows) == list(RECIPES)
    assert [name for name, row in rows.items() if row["versions"]] == ["theano"]


@pytest.mark.parametrize(
    ("version", "backend", "first"),
    [
        ("2.3.1", "tensorflow", "Keras 2.3.1 on TensorFlow 1.15"),
        ("2.0.5", "tensorflow", "Keras 2.3.1 on TensorFlow 1.15"),
        ("2.2.4-tf", "tensorflow", "tf_keras"),
        ("2.15.0", "tensorflow", "tf_keras"),
        ("3.9.2", "torch", "Keras 3 on torch"),
        ("3.9.2", "tensorflow", "Keras 3 on tensorflow"),
    ],
)
def test_the_own_framework_comes_first(
    version: str, backend: str, first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "kexport.reference.candidates.installed", lambda name: name in {"keras", "tf_keras", "tensorflow"}
    )
    pretend("tensorflow1")
    pretend("torch")
    found = candidates(Provenance(version, backend, "h5"))
    assert found[0].label == first
    assert bool(found[0].interpreter) == (first not in {"tf_keras", "Keras 3 on tensorflow"})
    assert len({candidate.label for candidate in found}) == len(found) > 1


@pytest.mark.parametrize("version", ["1.2.2", "2.3.1", "3.9.2"])
def test_code_is_traced_by_this_python_where_another_computes(
    version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "kexport.reference.candidates.installed", lambda name: name in {"keras", "tf_keras", "tensorflow"}
    )
    provenance = Provenance(version, "torch" if version.startswith("3") else "theano", "h5")
    assert needs_tracer(provenance) == (not version.startswith("3"))
    for name in ("theano", "keras1-theano", "torch"):
        pretend(name)
    assert needs_tracer(provenance)
    assert candidates(provenance)[0].interpreter == (sys.executable,)
    assert not any(candidate.interpreter for candidate in tracers(provenance))
    monkeypatch.setattr("kexport.reference.candidates.installed", lambda name: False)
    with pytest.raises(NotVerifiedError, match=r"(?s)own code.*pip install"):
        tracers(provenance)
