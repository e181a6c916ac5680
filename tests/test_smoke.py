"""``kexport smoke``: an export beside the server that runs it."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import kexport
from kexport.cli.main import run
from kexport.errors import MissingDependencyError, NotVerifiedError, UsageError
from support import tiny
from support.serving import Server, read_request, socket_server, tf_server


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("smoke")


@pytest.fixture(scope="module")
def export(root: Path) -> Path:
    model, golden = tiny.write_model(root / "tiny.h5"), tiny.write_golden(root / "tiny.npz")
    kexport.export(model, "saved_model", golden=golden, output=root / "export")
    return root / "export"


@pytest.fixture(scope="module")
def fixed(root: Path) -> Path:
    """The same model, of a batch of 4: the 6 golden samples take two requests."""
    model, golden = root / "tiny.h5", root / "tiny.npz"
    kexport.export(model, "saved_model", golden=golden, output=root / "fixed", batch=4, model_name="fixed")
    return root / "fixed"


@pytest.fixture(scope="module")
def server(export: Path, fixed: Path) -> Iterator[Server]:
    folders = {"tiny": export, "fixed": fixed, "other": fixed}
    with tf_server({name: folder / "saved_model" for name, folder in folders.items()}) as running:
        yield running


def test_the_requests_beside_a_model_are_answered_before_it_is_available(server: Server) -> None:
    assert server.warmed == {"tiny": 2, "fixed": 1, "other": 1}


@pytest.mark.parametrize("scheme", ["rest", "grpc"])
@pytest.mark.parametrize("name", ["export", "fixed"])
def test_a_model_that_is_served_as_exported(server: Server, request: Any, name: str, scheme: str) -> None:
    folder = request.getfixturevalue(name)
    result = kexport.smoke(folder, getattr(server, scheme))
    forms = ["predict (row)", "predict (column)"] if scheme == "rest" else ["predict (grpc)"]
    assert [row.check for row in result.rows] == ["status", "metadata", *forms]
    assert {row.status for row in result.rows} == {"passed"}
    assert result.passed
    assert result.exit_code == 0
    assert result.load is None
    for row in result.rows[2:]:
        assert row.verdict is not None
        assert row.verdict.samples == 6
        assert row.verdict.max_rel_error < 1e-6


def test_the_command_line(server: Server, export: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        run(["smoke", str(export), "--serving", server.grpc, "--concurrency", "2", "--seconds", "0.2"]) == 0
    )
    shown = capsys.readouterr().out
    assert re.search(r"^status +passed +version 1 AVAILABLE$", shown, re.MULTILINE)
    assert re.search(r"^load +passed +\d+ requests, each answered rightly$", shown, re.MULTILINE)
    assert re.search(r"^2 at once for 0\.\d s \(grpc\)$", shown, re.MULTILINE)


def test_json(server: Server, export: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["smoke", str(export), "--serving", server.rest, "--seconds", "0.2", "--json", "--quiet"]
    assert run(arguments) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["exit_code"], said["passed"], said["model"]) == (0, True, "tiny")
    assert [row["check"] for row in said["rows"]][-2:] == ["predict (column)", "load"]
    load = said["load"]
    assert load["errors"] == {}
    assert (load["concurrency"], load["form"]) == (1, "column")
    assert 0 < load["fastest"] <= load["p50"] <= load["p90"] <= load["p99"] <= load["slowest"]
    assert load["throughput"] == pytest.approx(load["requests"] / load["seconds"])


def test_another_model_is_told_apart(server: Server, export: Path) -> None:
    result = kexport.smoke(export, server.grpc, model_name="other")
    failed = {row.check: row.detail for row in result.rows if row.status == "failed"}
    assert result.exit_code == 5
    assert "the inputs of 'serving_default' are hidden_input: float32(-1, 4)" in failed["metadata"]
    assert "received hidden_input: float32(4, 4)" in failed["metadata"]
    absent = kexport.smoke(export, server.rest, model_name="none")
    assert [row.status for row in absent.rows] == ["failed"] * 4
    assert "HTTP 404: Could not find any versions of model none" in absent.rows[0].detail


@pytest.mark.parametrize("scheme", ["rest", "grpc"])
def test_wrong_outputs_are_found(server: Server, export: Path, root: Path, scheme: str) -> None:
    golden = tiny.write_golden(root / f"wrong-{scheme}.npz", error=1e-3)
    result = kexport.smoke(export, getattr(server, scheme), golden=golden, seconds=0.2)
    assert result.exit_code == 5
    for row in result.rows[2:-1]:
        assert row.status == "failed"
        assert "is off by 0.001" in row.detail
    assert re.search(r"\d+ × wrong answer, of \d+ requests", result.rows[-1].detail)
    assert result.load is not None
    assert result.load["p50"] is None


def refusing(status: str, body: str) -> Any:
    def behave(connection: socket.socket, over: threading.Event) -> None:
        read_request(connection)
        data = body.encode()
        connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)

    return behave


@pytest.mark.parametrize(
    ("status", "body", "detail"),
    [
        ("500 Oh", '{"error": "out of memory"}', "HTTP 500: out of memory"),
        ("500 Oh", '{"error": "\\u001b[2Jgone\\nFAILED"}', "HTTP 500:  .2Jgone FAILED$"),
        ("503 Busy", "<html>", r"HTTP 503: b'<html>'"),
        ("200 OK", "hello", "The answer is not JSON: b'hello'"),
        ("200 OK", "{}", "The answer does not list the model's versions."),
        ("200 OK", '{"model_version_status": [{"version": "x"}]}', "does not list the model's versions."),
        ("200 OK", '{"model_version_status": []}', "no version is there"),
        (
            "200 OK",
            '{"model_version_status": [{"version": "3", "state": "END", "status": {"error_message": "bad"}}]}',
            r"version 3 END \(bad\)",
        ),
    ],
)
def test_answers_that_are_wrong_are_rows(
    export: Path, capsys: pytest.CaptureFixture[str], status: str, body: str, detail: str
) -> None:
    with socket_server(refusing(status, body)) as port:
        code = run(["smoke", str(export), "--serving", f"http://127.0.0.1:{port}", "--timeout", "5"])
    captured = capsys.readouterr()
    assert code == 5
    assert re.search(rf"^status +FAILED +.*{detail}", captured.out, re.MULTILINE)
    assert len(re.findall(r" FAILED ", captured.out)) == 4
    assert "Traceback" not in captured.err


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_a_server_that_says_nothing_is_asked_once(
    export: Path, capsys: pytest.CaptureFixture[str], scheme: str
) -> None:
    def silent(connection: socket.socket, over: threading.Event) -> None:
        over.wait(60)

    with socket_server(silent) as port:
        arguments = ["smoke", str(export), "--serving", f"{scheme}://127.0.0.1:{port}", "--timeout", "0.5"]
        assert run([*arguments, "--seconds", "5"]) == 5
    shown = capsys.readouterr().out
    assert re.search(r"^status +FAILED", shown, re.MULTILINE)
    assert re.search(r"^load +skipped +the server does not answer", shown, re.MULTILINE)


def test_what_can_not_be_asked(export: Path, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for more in (
        ["--serving", "localhost"],
        ["--serving", "http://a", "--timeout", "0"],
        ["--serving", "http://a", "--concurrency", "0"],
        ["--serving", "http://a", "--seconds", "-1"],
        ["--serving", "http://a", "--seconds", "nan"],
        ["--serving", "http://a", "--version", "-1"],
        ["--serving", "http://a", "--header", "nothing"],
        ["--serving", "http://a", "--header", "A: b\r\nC: d"],
        ["--serving", "https://a", "--ca-file", str(root / "no.pem")],
    ):
        assert run(["smoke", str(export), *more]) == 2, more
    assert "Traceback" not in capsys.readouterr().err
    with pytest.raises(UsageError, match="is not an export"):
        kexport.smoke(root / "nowhere", "http://a")


def test_an_export_without_a_saved_model(root: Path) -> None:
    kexport.export(root / "tiny.h5", "frozen_graph", output=root / "frozen", verify=False)
    with pytest.raises(UsageError, match=r"holds nothing that a server takes\. Received: frozen_graph"):
        kexport.smoke(root / "frozen", "http://a")


def test_an_export_without_golden_vectors(root: Path) -> None:
    result = kexport.export(root / "tiny.h5", "saved_model", output=root / "unverified", verify=False)
    assert [path.name for path in result.targets[0].files] == ["saved_model.pb"]
    with pytest.raises(NotVerifiedError, match="holds no golden vectors"):
        kexport.smoke(root / "unverified", "http://a")


def test_a_damaged_manifest(export: Path, root: Path) -> None:
    manifest = json.loads((export / "manifest.json").read_text())
    manifest["targets"]["saved_model"]["details"] = None
    (root / "damaged").mkdir()
    (root / "damaged" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UsageError, match="is damaged"):
        kexport.smoke(root / "damaged", "http://a", golden=root / "tiny.npz")


def test_what_grpc_needs_is_named(export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kexport_runtimes.tf_serving.stubs.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"needs the package grpcio.*kexport\[serving\]"):
        kexport.smoke(export, "grpc://localhost")


def test_a_model_that_json_can_not_carry_is_not_called_verified(root: Path) -> None:
    """Nothing was wrong, and nothing compared: exit code 8."""
    result = kexport.SmokeResult(
        root, "http://a", "m", (kexport.api.SmokeRow("predict (row)", "skipped", "no float16"),)
    )
    assert (result.passed, result.exit_code) == (False, 8)


def test_a_load_that_can_not_be_asked_is_skipped(root: Path) -> None:
    """float16 has no form in JSON."""
    model = tiny.write_model(root / "half.h5")
    kexport.export(model, "saved_model", golden=root / "tiny.npz", output=root / "half")
    manifest = json.loads((root / "half" / "manifest.json").read_text())
    manifest["targets"]["saved_model"]["signature"]["inputs"][0]["dtype"] = "float16"
    (root / "half" / "manifest.json").write_text(json.dumps(manifest))
    with socket_server(refusing("200 OK", "{}")) as port:
        result = kexport.smoke(root / "half", f"http://127.0.0.1:{port}", seconds=1)
    assert [row.status for row in result.rows] == ["failed", "failed", "skipped", "skipped", "skipped"]
    assert "JSON has no float16: ask over gRPC" in result.rows[-1].detail
