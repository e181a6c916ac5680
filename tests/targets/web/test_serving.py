"""kexport serve: headers, files, and what lies outside."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from kexport.api.serving import BundleServer
from kexport.errors import UsageError
from targets.web.making import finished


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("served")
    (folder / "secret.txt").write_text("secret")
    finished(folder / "web")
    with BundleServer(folder) as server:
        thread = threading.Thread(target=server.run)
        thread.start()
        yield int(server.url.rsplit(":", 1)[1].strip("/"))
        server.stop()
        thread.join()


def ask(port: int, path: str, method: str = "GET", **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, headers=headers)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response, body


def test_the_page_comes_with_what_threads_need(port):
    response, body = ask(port, "/?x=1")
    assert response.status == 200
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert response.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    assert "unsafe-inline" not in response.headers["Content-Security-Policy"]
    assert response.headers["Cache-Control"] == "no-cache"
    assert b"<main>" in body
    head, nothing = ask(port, "/", "HEAD")
    assert (head.status, nothing) == (200, b"")


def test_text_is_packed_where_that_is_understood(port):
    response, packed = ask(port, "/model.json", **{"Accept-Encoding": "gzip"})
    assert response.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed) == ask(port, "/model.json")[1]


@pytest.mark.parametrize("asked", ["wasm", "brotli"])
@pytest.mark.parametrize(
    ("accepted", "form"),
    [("gzip, deflate, br", "brotli"), ("GZIP;q=0.5, br;q=0", "wasm"), ("identity", None), ("", None)],
)
def test_webassembly_comes_as_the_browser_unpacks_it(port, asked, accepted, form):
    build = json.loads(ask(port, "/model.json")[1])["engine"]["builds"]["simd"]
    response, body = ask(port, f"/{build[asked]['file']}", **{"Accept-Encoding": accepted})
    assert response.headers["Vary"] == "Accept-Encoding"
    assert "immutable" in response.headers["Cache-Control"]
    # Without an encoding the page unpacks what it has asked for.
    assert hashlib.sha256(body).hexdigest() == build[form or asked]["sha256"]
    assert response.headers["Content-Encoding"] == {"brotli": "br", "wasm": "gzip", None: None}[form]
    assert response.headers["Content-Type"] == ("application/wasm" if form else "application/octet-stream")


def test_names_with_a_hash_are_kept_for_ever(port):
    _, text = ask(port, "/model.json")
    name = text.decode().split('"file": "model-')[1].split('"')[0]
    response, _ = ask(port, f"/model-{name}")
    assert "immutable" in response.headers["Cache-Control"]


@pytest.mark.parametrize(
    "path", ["/none", "/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "//etc/passwd", "/a\\b"]
)
def test_what_is_not_in_the_bundle_is_not_there(port, path):
    response, body = ask(port, path)
    assert response.status == 404
    assert b"secret" not in body


def test_what_is_no_bundle_is_refused(tmp_path):
    with pytest.raises(UsageError, match="holds no web bundle"):
        BundleServer(tmp_path)


def test_a_port_that_is_taken_is_told_of(port, tmp_path):
    (tmp_path / "index.html").write_text("")
    with pytest.raises(UsageError, match=f"Port {port} can't be served on"):
        BundleServer(tmp_path, port)


def test_the_command_serves_until_it_is_interrupted(tmp_path):
    finished(tmp_path)
    program = "from kexport.cli.main import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", program, "serve", str(tmp_path), "--port", "0", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as served:
        told = json.loads("".join(iter(served.stdout.readline, "}\n")) + "}")
        assert told["folder"] == str(tmp_path)
        assert ask(int(told["url"].rsplit(":", 1)[1].strip("/")), "/")[0].status == 200
        served.send_signal(signal.SIGINT)
        assert served.wait(30) == 0
