"""Setups: whole or not at all, from an index that is a folder, on whatever Python; what interrupts them leaves no environment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from kexport import backends
from kexport.backends import making, recipes, store
from kexport.backends.pins import Contents
from kexport.backends.recipes import Recipe
from kexport.cli.main import run

RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"

#: A Keras of one module that does what the probe asks for. It computes nothing: what is tested here is the setup.
FAKE_KERAS = """
__version__ = "{version}"
import os, pathlib
import numpy
class backend:
    backend = staticmethod(lambda: os.environ["KERAS_BACKEND"])
class _Model:
    def __init__(self, layers=None): pass
    def compile(self, *a): pass
    def fit(self, *a, **k): pass
    def predict(self, x): return x
    def save(self, path): pathlib.Path(path).write_text("model")
class models:
    Sequential = _Model
    load_model = staticmethod(lambda path, compile: _Model())
class layers:
    Dense = staticmethod(lambda *a, **k: None)
"""


def write_wheel(folder: Path, name: str, version: str, code: str) -> None:
    """A wheel of one module: https://packaging.python.org/en/latest/specifications/binary-distribution-format/."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": code,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
        wheel.writestr(f"{info}/RECORD", "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"]))


def fake(**changes: object) -> Recipe:
    """The recipe of the framework whose wheels are in the folder."""
    values = {
        "name": "jax",
        "title": "Keras 9 on jax",
        "private": False,
        "contents": {RUNNING: Contents((("numpy==1.0",), ("keras==9.0",)))},
        "megabytes": 1,
        "backend": "jax",
        "keras_major": 9,
        "environment": {"KERAS_BACKEND": "jax"},
    }
    return Recipe(**{**values, **changes})  # type: ignore[arg-type]


FAKE_NUMPY = """
arange = lambda *a, **k: _A()
class _A:
    def reshape(self, *a): return self
    def __truediv__(self, o): return self
    def __getitem__(self, o): return self
    def __sub__(self, o): return self
asarray = lambda x: x
abs = lambda x: 0.0
max = lambda x: 0.0
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    index = tmp_path / "index"
    index.mkdir()
    write_wheel(index, "numpy", "1.0", FAKE_NUMPY)
    write_wheel(index, "keras", "9.0", FAKE_KERAS.format(version="9.0"))
    monkeypatch.setenv("KEXPORT_BACKENDS", str(tmp_path / "backends"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    monkeypatch.setattr(recipes, "RECIPES", {"jax": fake()})
    monkeypatch.setattr(store, "RECIPES", recipes.RECIPES)
    monkeypatch.setattr(backends, "RECIPES", recipes.RECIPES)
    return tmp_path / "backends"


def kept(home: Path) -> list[str]:
    return sorted(path.name for path in home.iterdir() if path.suffix != ".lock") if home.exists() else []


def test_made_from_nothing_and_kept(home: Path) -> None:
    told: list[str] = []
    made = backends.setup("jax", progress=told.append)
    assert made.versions.startswith("Keras 9.0, jax , Python ")
    assert told == [
        f"jax [1/4] Preparing Python {RUNNING}",
        "jax [2/4] Installing numpy",
        "jax [3/4] Installing keras",
        "jax [4/4] Training a model of one layer in it",
    ]
    done = subprocess.run(
        [*made.interpreter, "-c", "import keras; print(keras.__version__)"],
        env=made.process_environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "9.0\n"
    assert backends.setup("jax") == made == backends.environment("jax")
    assert kept(home) == [made.folder.name]
    assert {path.name for path in made.folder.iterdir()} == {"venv", store.MARKER}


@pytest.mark.parametrize(
    ("variables", "changes", "words"),
    [
        ({"PIP_FIND_LINKS": ""}, {}, "there is no numpy==1.0 for this Python and this machine"),
        (
            {
                "PIP_NO_INDEX": "",
                "PIP_FIND_LINKS": "",
                "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
                "PIP_RETRIES": "1",
            },
            {},
            "the network does not reach them",
        ),
        ({}, {"keras_major": 3}, "is Keras 9 on jax. Received: Keras 9.0"),
        ({}, {"megabytes": 10**9}, "takes about 1000000000 MB, and"),
        ({}, {"library": "keras2"}, "does not start: ModuleNotFoundError: No module named 'keras2'"),
        ({}, {"contents": {"2.6": Contents((("numpy==1.0",),))}}, "runs on Python 2.6. Received: "),
    ],
)
def test_what_fails_is_said_and_leaves_nothing(
    variables: dict[str, str], changes: dict[str, object], words: str, home: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    recipes.RECIPES["jax"] = fake(**changes)  # type: ignore[index]
    assert run(["backend", "setup", "--quiet", "jax"]) == 7
    told = capsys.readouterr().err
    assert words in told
    assert told.count("\n") == 2
    assert kept(home) == []


def test_a_full_disk(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    script = home.parent / "pip.py"
    script.write_text(
        "print('ERROR: Could not install packages: [Errno 28] No space left on device'); raise SystemExit(1)"
    )
    plain = making.interpreters.virtual

    def virtual(*arguments: object) -> object:
        made = plain(*arguments)  # type: ignore[arg-type]
        return making.Interpreter(made.command, made.version, (sys.executable, str(script)), made.site)

    monkeypatch.setattr(making.interpreters, "virtual", virtual)
    assert run(["backend", "setup", "--quiet", "jax"]) == 7
    assert "the disk is full" in capsys.readouterr().err
    assert kept(home) == []


def test_a_home_that_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("KEXPORT_BACKENDS", str(tmp_path / "file"))
    assert run(["backend", "setup", "--quiet", "jax"]) == 7
    assert "KEXPORT_BACKENDS names another folder" in capsys.readouterr().err


START = """
import sys, time
sys.path[:0] = {path!r}
from pathlib import Path
from test_setup_program import fake, recipes, store
recipes.RECIPES = store.RECIPES = {{"jax": fake()}}
from kexport.cli.main import main
sys.argv = ["kexport", "backend", "setup", "jax"]
main()
"""


@pytest.fixture
def slow_setup(home: Path) -> subprocess.Popen[str]:
    """A setup in a process of its own that has come to its last step, which takes a minute."""
    index = home.parent / "index"
    started = home.parent / "started"
    wait = f"pathlib.Path({str(started)!r}).write_text(str(os.getpid())); import time; time.sleep(60)\n"
    write_wheel(index, "keras", "9.0", FAKE_KERAS.format(version="9.0") + wait)
    (home.parent / "test_setup_program.py").write_text(Path(__file__).read_text("utf-8"), "utf-8")
    process = subprocess.Popen(
        [sys.executable, "-c", START.format(path=[str(home.parent)])], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "[4/4]" in line:
            break
    while not (started.exists() and started.read_text()):
        assert process.poll() is None
        time.sleep(0.05)
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(number: int, slow_setup: subprocess.Popen[str], home: Path) -> None:
    slow_setup.send_signal(number)
    _, told = slow_setup.communicate(timeout=60)
    assert slow_setup.returncode == 128 + number
    assert "Traceback" not in told
    assert kept(home) == []


def test_killed(slow_setup: subprocess.Popen[str], home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    slow_setup.kill()
    slow_setup.communicate()
    assert backends.environment("jax") is None
    assert run(["backend", "list"]) == 0
    assert "leftover" in capsys.readouterr().out
    # What it started goes on, and keeps the lock: nobody makes or removes files under its hands.
    assert run(["backend", "remove", "jax"]) == 2
    assert "is being set up" in capsys.readouterr().err
    os.kill(int((home.parent / "started").read_text()), signal.SIGKILL)
    write_wheel(home.parent / "index", "keras", "9.0", FAKE_KERAS.format(version="9.0"))
    made = backends.setup("jax")
    assert kept(home) == [made.folder.name]


def test_two_at_once(home: Path) -> None:
    (home.parent / "test_setup_program.py").write_text(Path(__file__).read_text("utf-8"), "utf-8")
    command = [sys.executable, "-c", START.format(path=[str(home.parent)])]
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    told = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert told[0][0] == told[1][0]
    # One made it, and the other waited or found it.
    assert sorted("[4/4]" in errors for _, errors in told) == [False, True]
    assert len(kept(home)) == 1


def test_another_python_takes_its_place_once_it_works(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = backends.setup("jax")
    assert run(["backend", "setup", "jax", "--quiet", "--python", "/bin/false"]) == 7
    assert "is no Python that runs" in capsys.readouterr().err
    assert backends.environment("jax") == first
    folder = home.parent / "conda"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(sys.executable)
    second = backends.setup("jax", python=str(folder))
    assert second.folder != first.folder
    assert kept(home) == [second.folder.name]


@pytest.fixture
def container(home: Path) -> Path:
    """A command like a container's: variables and folders of this machine are not its own."""
    inside = home.parent / "inside"
    inside.mkdir()
    (inside / "numpy.py").write_text(FAKE_NUMPY)
    (inside / "keras.py").write_text(FAKE_KERAS.format(version="9.0"))
    script = home.parent / "container"
    script.write_text(f'#!/bin/sh\nexec env -i PYTHONPATH={inside} $CONTAINER {sys.executable} "$@"\n')
    script.chmod(0o755)
    return script


def test_a_command_of_the_users(
    container: Path, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CONTAINER", "KERAS_BACKEND=jax")
    made = backends.setup("jax", command=f"{container}")
    assert made.interpreter == (str(container),)
    assert made.versions.startswith("Keras 9.0")
    assert not (made.folder / "venv").exists()
    assert backends.run("jax", ["python", "-c", "import sys; sys.exit(3)"]) == 3


@pytest.mark.parametrize(
    ("variables", "command", "words"),
    [
        ("KERAS_BACKEND=torch", "{container}", "docker run -e KERAS_BACKEND=jax"),
        ("KERAS_BACKEND=jax", "sh -c '{container} \"$@\" </dev/null' sh", "docker run needs -i"),
        ("KERAS_BACKEND=jax", "sh -c 'shift; {container} /elsewhere/probe.py \"$@\"' sh", "-v "),
        ("KERAS_BACKEND=jax", "/no/such/docker run", "/no/such/docker can't be run"),
        ("KERAS_BACKEND=jax", "true", "runs no Python script"),
    ],
)
def test_a_command_that_is_none(
    variables: str, command: str, words: str, container: Path, home: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("CONTAINER", variables)
    before = kept(home)
    assert run(["backend", "setup", "-q", "jax", "--command", command.format(container=container)]) == 7
    assert words in capsys.readouterr().err
    assert kept(home) == before


def test_it_ends_with_its_python(home: Path) -> None:
    made = backends.setup("jax")
    Path(made.interpreter[0]).unlink()
    assert backends.environment("jax") is None


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["backend", "setup", "jax", "--json", "-q"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["name"] == "jax"
    assert Path(row["folder"]).is_dir()
