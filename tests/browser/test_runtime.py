"""The browser as a runtime: what it computes, on what, and what it says of what it can't."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import kexport.verification
from kexport.contracts import Artifact, Signature
from kexport.errors import MissingDependencyError
from kexport.ir import Builder, Value
from kexport.reference import Golden
from kexport_runtimes.browser import RUNTIME, frames, programs
from kexport_targets.web import TARGET
from support.graphs import expected, graph_from
from targets.web.making import OPTIONS, finished, images

X = np.linspace(0, 1, 64, dtype=np.float32).reshape(1, 8, 8, 1)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    return folder / finished(folder, float16=False).main


@pytest.mark.usefixtures("browser")
@pytest.mark.parametrize(
    ("accelerator", "tolerance"), [("wasm", 1e-6), ("wasm-threads", 1e-6), ("webgpu", 1e-3)]
)
def test_every_accelerator_computes_the_model(bundle, accelerator, tolerance):
    found = RUNTIME.run(bundle, {"image": X}, accelerator=accelerator)
    (wanted,) = expected(images(), [X])
    assert found.keys() == {"digit"}
    np.testing.assert_allclose(found["digit"], wanted, atol=tolerance)
    layers = RUNTIME.run(bundle, {"image": X}, accelerator=accelerator, signature="layers")
    np.testing.assert_allclose(layers["relu"].mean(axis=(1, 2)), layers["pool"], atol=1e-5)


@pytest.mark.usefixtures("browser")
def test_a_single_page_computes_the_same(bundle, tmp_path):
    page = tmp_path / finished(tmp_path, float16=False, single_file=True).main
    found = RUNTIME.run(page, {"image": X})["digit"]
    np.testing.assert_allclose(found, RUNTIME.run(bundle, {"image": X})["digit"], atol=1e-6)


@pytest.mark.usefixtures("browser")
def test_the_page_chooses_what_computes_right(bundle):
    choice = RUNTIME.choice(bundle)
    assert choice["check"] == "right"
    assert choice["attempts"][-1] == {"accelerator": choice["accelerator"], "problem": ""}


@pytest.mark.usefixtures("browser")
def test_times_are_measured(bundle):
    times = RUNTIME.benchmark(bundle, {"image": X}, runs=5, threads=1)
    assert 0 < times["fastest"] <= times["median"]
    assert (times["runs"], times["threads"]) == (5, 1)
    with pytest.raises(ValueError, match="at least 1 run"):
        RUNTIME.benchmark(bundle, {"image": X}, runs=0, threads=1)


@pytest.mark.usefixtures("browser")
@pytest.mark.parametrize(
    "dtype",
    [
        "float32",
        "float16",
        "float64",
        "bfloat16",
        "int8",
        "int16",
        "int32",
        "int64",
        "uint8",
        "uint32",
        "bool",
    ],
)
def test_tensors_of_every_type_go_in_and_come_out(tmp_path, dtype):
    def body(b: Builder, x: Value) -> list[Value]:
        return [b.op("reshape", x, shape=(3, 2))]

    graph = graph_from({"x": (dtype, (2, 3))}, body)
    artifact = TARGET.emit(TARGET.legalize(graph, OPTIONS), tmp_path, OPTIONS)
    numbers = np.array([[0, 1, 1], [1, 0, 1]])
    x = numbers.astype("float32" if dtype == "bfloat16" else dtype)
    if dtype == "int64":
        x[0, 0] = 2**60 + 1
    found = RUNTIME.run(tmp_path / artifact.main, {"x": x})["y0"]
    assert found.dtype == x.dtype
    np.testing.assert_array_equal(found, x.reshape(3, 2))


@pytest.mark.usefixtures("browser")
@pytest.mark.parametrize("dtype", ["float32", "int32", "bool", "float16"])
def test_what_is_an_input_a_constant_or_an_output_already_is_an_output_all_the_same(tmp_path, dtype):
    constant = np.array([[1, 0], [0, 1]]).astype(dtype)

    def body(b: Builder, x: Value) -> list[Value]:
        y = b.op("transpose", x, perm=(1, 0))
        return [x, y, b.constant(constant), y, x]

    x = np.array([[1, 0], [1, 1]]).astype(dtype)
    graph = graph_from({"x": (dtype, (2, 2))}, body)
    artifact = TARGET.emit(TARGET.legalize(graph, OPTIONS), tmp_path, OPTIONS)
    found = RUNTIME.run(tmp_path / artifact.main, {"x": x})
    for name, wanted in {"y0": x, "y1": x.T, "y2": constant, "y3": x.T, "y4": x}.items():
        np.testing.assert_array_equal(found[name], wanted)


@pytest.mark.usefixtures("browser")
def test_a_verdict_says_how_each_accelerator_came_out(bundle):
    (y,) = expected(images(), [X])
    golden = Golden({"image": X}, {"digit": y}, meta={"keras": "3", "library": "keras"})
    artifact = Artifact(bundle, (), Signature.of(images()))
    verdict = kexport.verification.verify(artifact, RUNTIME, golden, tolerance=1e-5)
    assert verdict.passed
    assert [(row.name, row.passed) for row in verdict.accelerators] == [
        ("wasm-threads", True),
        ("webgpu", True),
    ]
    assert [row["name"] for row in verdict.to_dict()["accelerators"]] == ["wasm-threads", "webgpu"]


@pytest.mark.usefixtures("browser")
def test_inputs_that_do_not_fit_are_refused(bundle):
    with pytest.raises(ValueError, match=r"takes inputs image\. Received: picture"):
        RUNTIME.run(bundle, {"picture": X})
    with pytest.raises(ValueError, match=r"is float32\. Received: float64"):
        RUNTIME.run(bundle, {"image": X.astype(np.float64)})
    with pytest.raises(ValueError, match=r"shape \(1, 8, 8, 1\). Received: \(8, 8\)"):
        RUNTIME.run(bundle, {"image": X.reshape(8, 8)})
    with pytest.raises(ValueError, match=r"computed on wasm, wasm-threads, webgpu\. Received: 'abacus'"):
        RUNTIME.run(bundle, {"image": X}, accelerator="abacus")


@pytest.mark.usefixtures("browser")
def test_what_is_damaged_is_told_of_and_the_next_bundle_runs(bundle, tmp_path):
    copy = shutil.copytree(bundle.parent, tmp_path / "copy")
    (model,) = copy.glob("model-*.tflite")
    model.write_bytes(model.read_bytes()[:-1] + b"\1")
    with pytest.raises(RuntimeError, match="is not the file that was exported"):
        RUNTIME.run(copy / "index.html", {"image": X})
    model.unlink()
    with pytest.raises(RuntimeError, match="the server answers 404"):
        RUNTIME.run(copy / "index.html", {"image": X})
    (copy / "model.json").write_text("{")
    with pytest.raises(RuntimeError, match="can't be loaded"):
        RUNTIME.run(copy / "index.html", {"image": X})
    assert RUNTIME.run(bundle, {"image": X})["digit"].shape == (1, 3)


@pytest.mark.usefixtures("browser")
def test_the_browser_goes_with_whoever_started_it_however_that_ends(tmp_path):
    program = "import sys, time; from kexport_runtimes.browser import process, programs; b = process.shared(programs.find());"
    program += "print(b._folder, b._process.pid, flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as user:
        profile, watcher = user.stdout.readline().split()
        assert Path(profile).is_dir()
        user.kill()
    end = time.monotonic() + 60
    while (Path(profile).exists() or alive(int(watcher))) and time.monotonic() < end:
        time.sleep(0.1)
    assert not Path(profile).exists()
    assert not alive(int(watcher))


def alive(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{number}/stat")
    # Nobody waits for it in a container whose first process reaps none.
    return not (state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z")


def test_a_missing_browser_is_told_of(monkeypatch):
    monkeypatch.setenv(programs.VARIABLE, "no-such-browser")
    assert "names 'no-such-browser', which is no program" in RUNTIME.available()
    monkeypatch.delenv(programs.VARIABLE)
    monkeypatch.setattr(programs.shutil, "which", lambda name: None)
    assert "no browser was found" in RUNTIME.available()
    assert "install" in RUNTIME.available()
    with pytest.raises(RuntimeError, match="no browser was found"):
        RUNTIME.version()


def test_a_browser_that_does_not_come_up_is_missing(monkeypatch, tmp_path):
    program = tmp_path / "chromium"
    program.write_text("#!/bin/sh\necho no display >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv(programs.VARIABLE, str(program))
    page = tmp_path / "bundle" / finished(tmp_path / "bundle").main
    with pytest.raises(ChildProcessError, match=r"does not open a page: it ended\. no display Name another"):
        RUNTIME.run(page, {"image": X})
    (y,) = expected(images(), [X])
    golden = Golden({"image": X}, {"digit": y}, meta={"keras": "3", "library": "keras"})
    artifact = Artifact(page, (), Signature.of(images()))
    with pytest.raises(MissingDependencyError, match="can't be run here: chromium") as caught:
        kexport.verification.verify(artifact, RUNTIME, golden, tolerance=1e-5)
    assert caught.value.exit_code == 7


def test_frames_hold_what_was_packed():
    message, arrays = frames.unpack(frames.pack({"a": 1}, {"x": b"123", "y": b""}))
    assert message == {"a": 1}
    assert arrays == {"x": b"123", "y": b""}
    with pytest.raises(ValueError, match="less than 4 bytes"):
        frames.unpack(b"1")
    with pytest.raises(ValueError, match="told of"):
        frames.unpack(frames.pack({}, {"x": b"123"}) + b"more")
