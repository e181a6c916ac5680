"""The wheel: what is in it, and that it works where nothing else of the project is."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import venv
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import kexport

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = out.glob("*.whl")
    return made


def test_the_wheel_holds_the_three_roots_whole(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    roots = [ROOT / "exporter", ROOT / "targets", ROOT / "runtimes"]
    sources = {
        path.relative_to(root).as_posix()
        for root in roots
        for path in root.rglob("*")
        if path.suffix == ".py" or path.name == "py.typed"
    }
    assert sources <= packed
    assert {name.partition("/")[0] for name in packed} == {"kexport", "kexport_targets", "kexport_runtimes"}
    for package in ("kexport", "kexport_targets", "kexport_runtimes"):
        assert f"{package}/py.typed" in packed
    # Built by `make setup`, and ignored by git all the same.
    static = ROOT / "targets" / "kexport_targets" / "web" / "static"
    built = {f"kexport_targets/web/static/{path.name}" for path in static.iterdir()}
    assert built <= packed
    assert {name for name in built if name.endswith(("build.json", "kexport-web.js", ".wasm.gz", ".wasm.br"))}


def test_the_metadata(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        (points,) = (name for name in names if name.endswith(".dist-info/entry_points.txt"))
        head = Parser().parsestr(archive.read(metadata).decode())
        declared = archive.read(points).decode()
    assert head["Version"] == kexport.__version__
    assert head["License-Expression"] == "Apache-2.0"
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    assert {"tensorflow", "jax", "torch", "litert", "onnx", "coreml", "serving", "all", "dev"} == set(
        head.get_all("Provides-Extra")
    )
    for line in (
        "kexport = kexport.cli.main:main",
        "tflite = kexport_targets.tflite:TARGET",
        "frozen_graph = kexport_targets.saved_model:FROZEN_GRAPH",
        "litert = kexport_runtimes.litert:RUNTIME",
        "tensorflow = kexport_runtimes.tensorflow:RUNTIME",
    ):
        assert line in declared


def test_the_version_is_said_once_more_in_pyproject() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["version"] == kexport.__version__


@pytest.mark.slow
def test_the_wheel_works_in_an_environment_of_its_own(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=False)
    python = tmp_path / "env" / "bin" / "python"
    install = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--no-deps",
        "--no-index",
        str(wheel),
    ]
    subprocess.run(install, check=True, capture_output=True)
    # The packages it depends on are taken from here; kexport itself is not importable from there: an editable
    # install is a .pth file, which PYTHONPATH does not read.
    site = next(path for path in sys.path if path.endswith("site-packages"))
    environment = {**os.environ, "PYTHONPATH": site}
    where = "import kexport, kexport_targets.tflite as t, kexport_runtimes.litert as r; print(kexport.__file__, t.TARGET.name)"
    found = subprocess.run(
        [str(python), "-c", where], check=True, capture_output=True, text=True, env=environment, cwd=tmp_path
    )
    assert found.stdout.startswith(str(tmp_path))
    assert found.stdout.split()[1] == "tflite"
    program = str(tmp_path / "env" / "bin" / "kexport")
    listed = subprocess.run(
        [program, "targets"], check=True, capture_output=True, text=True, env=environment, cwd=tmp_path
    )
    names = [line.partition(":")[0] for line in listed.stdout.splitlines() if not line.startswith(" ")]
    assert names == ["coreml", "frozen_graph", "onnx", "saved_model", "tflite", "web"]
