"""The server that the browser's page works for, without a browser."""

from __future__ import annotations

import http.client
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from kexport_runtimes.browser import frames
from kexport_runtimes.browser.server import Server


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


def connected(server: Server, path: str) -> socket.socket:
    """A connection that has asked for a path beneath the secret."""
    address = urlsplit(server.address)
    connection = socket.create_connection((address.hostname, address.port))
    connection.sendall(f"GET /{server.secret}/{path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return connection


def reset(connection: socket.socket) -> None:
    """Close as a browser that is killed does."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def asked(server: Server, path: str) -> tuple[int, bytes]:
    address = urlsplit(server.address)
    with closing(http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)) as connection:
        connection.request("GET", f"/{server.secret}/{path}")
        response = connection.getresponse()
        return response.status, response.read()


def test_a_browser_that_closes_leaves_no_traceback(server: Server, capfd: pytest.CaptureFixture[str]) -> None:
    for path in ("next", "harness.js"):
        connection = connected(server, path)
        time.sleep(0.2)
        reset(connection)
    idle = socket.create_connection((urlsplit(server.address).hostname, urlsplit(server.address).port))
    reset(idle)
    server.ask({"a": 1}, {})
    time.sleep(0.5)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("leave", [reset, socket.socket.close])
def test_work_that_nobody_took_is_the_next_one_s(server: Server, leave) -> None:
    connection = connected(server, "next")
    time.sleep(0.2)
    leave(connection)
    server.ask({"accelerator": "wasm"}, {"x": b"123"})
    status, body = asked(server, "next")
    assert status == 200
    message, arrays = frames.unpack(body)
    assert (message["id"], message["accelerator"], arrays) == (1, "wasm", {"x": b"123"})


def test_paths_that_lead_elsewhere_are_nowhere(server: Server) -> None:
    assert asked(server, "../harness.html")[0] == 404
    assert asked(server, "bundle/0/model.json")[0] == 404
    assert asked(server, "harness.html")[0] == 200
