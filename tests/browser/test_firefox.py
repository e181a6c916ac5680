"""Bundles in Firefox, where it is installed (on Debian: apt install firefox-esr): as a runtime, and their page."""

from __future__ import annotations

import http.server
import re
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from browser.marionette import Firefox
from kexport_runtimes.browser import RUNTIME, process, programs
from kexport_runtimes.browser.server import ISOLATED
from support.graphs import expected
from targets.web.making import finished, images

X = np.linspace(0, 1, 64, dtype=np.float32).reshape(1, 8, 8, 1)
PATH = shutil.which("firefox") or shutil.which("firefox-esr")

pytestmark = [pytest.mark.slow, pytest.mark.skipif(PATH is None, reason="Firefox is not installed")]


@pytest.fixture(autouse=True)
def firefox(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Firefox is the browser, until the test ends."""
    monkeypatch.setenv(programs.VARIABLE, str(PATH))
    yield
    process.close()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    return folder / finished(folder, float16=False, examples=2).main


def test_it_computes_the_model_and_says_what_it_can_t(bundle: Path, tmp_path: Path) -> None:
    assert re.match(r"Firefox \d+", RUNTIME.version())
    (wanted,) = expected(images(), [X])
    np.testing.assert_allclose(RUNTIME.run(bundle, {"image": X})["digit"], wanted, atol=1e-6)
    layers = RUNTIME.run(bundle, {"image": X}, signature="layers")
    np.testing.assert_allclose(layers["relu"].mean(axis=(1, 2)), layers["pool"], atol=1e-5)
    single = tmp_path / finished(tmp_path, float16=False, single_file=True).main
    np.testing.assert_allclose(RUNTIME.run(single, {"image": X})["digit"], wanted, atol=1e-6)
    for accelerator in ("wasm-threads", "webgpu"):
        found, problem = attempt(bundle, accelerator)
        # Firefox has relaxed SIMD from 145 on; WebGPU depends on the system.
        assert problem == "" or re.search(r"relaxed SIMD|has no WebGPU|no GPU", problem)
        assert problem or np.abs(found - wanted).max() < 1e-3
    choice = RUNTIME.choice(bundle)
    assert choice["check"] == "right"
    assert choice["attempts"][-1] == {"accelerator": choice["accelerator"], "problem": ""}
    assert RUNTIME.benchmark(bundle, {"image": X}, runs=3, threads=1)["median"] > 0


def attempt(bundle: Path, accelerator: str) -> tuple[np.ndarray | None, str]:
    """What an accelerator computes, or why it does not."""
    try:
        return RUNTIME.run(bundle, {"image": X}, accelerator=accelerator)["digit"], ""
    except RuntimeError as error:
        return None, str(error)


def test_what_is_damaged_is_told_of(bundle: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(bundle.parent, tmp_path / "copy")
    (model,) = copy.glob("model-*.tflite")
    model.write_bytes(model.read_bytes()[:-1] + b"\1")
    with pytest.raises(RuntimeError, match="is not the file that was exported"):
        RUNTIME.run(copy / "index.html", {"image": X})
    model.unlink()
    with pytest.raises(RuntimeError, match="the server answers 404"):
        RUNTIME.run(copy / "index.html", {"image": X})
    assert RUNTIME.run(bundle, {"image": X})["digit"].shape == (1, 3)


class _Handler(http.server.SimpleHTTPRequestHandler):
    def end_headers(self) -> None:
        for name, value in ISOLATED.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing."""


@pytest.fixture
def site(bundle: Path) -> Iterator[str]:
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(_Handler, directory=str(bundle.parent))
    ) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_the_page_proves_itself_and_shows_results_and_layers(site: str, bundle: Path, tmp_path: Path) -> None:
    profile = tmp_path / "profile"
    profile.mkdir()
    single = tmp_path / "single"
    finished(single, single_file=True)
    browser = Firefox(programs.Program(str(PATH), "firefox"), profile)
    try:
        for url in (site, (single / "index.html").as_uri()):
            browser.open(url)
            browser.wait("document.querySelector('#badge')?.dataset.status")
            assert browser.value("document.querySelector('#badge').dataset.status") == "right"
            browser.wait("document.querySelectorAll('.ranking li').length === 3")
            browser.wait("document.querySelector('.detail canvas')")
            assert browser.wait("document.querySelector('canvas.heat')?.ariaLabel").startswith("Evidence for")
        browser.open(site)
        browser.wait("document.querySelector('#sample-3')")
        browser.value("document.querySelector('#sample-3').click()")
        assert "Comes out as in Keras" in browser.wait("document.querySelector('#agreement').textContent")
    finally:
        browser.close()
