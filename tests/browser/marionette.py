"""Drives the installed Firefox by Marionette, its own remote protocol: a number of bytes, a colon, and a JSON list
(https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html)."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from kexport_runtimes.browser.programs import Program

#: Seconds that a page has to become what is waited for.
PATIENCE = 120.0


class Firefox:
    """A Firefox without a window; ``profile`` is an empty folder."""

    def __init__(self, program: Program, profile: Path) -> None:
        with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as free:
            port = free.getsockname()[1]
        command = program.command(profile, "about:blank")
        with (profile / "user.js").open("a", encoding="utf-8") as preferences:
            preferences.write(f'user_pref("marionette.port", {port});\n')
        self._process = subprocess.Popen(
            [*command[:-1], "--marionette"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._count = 0
        self._read = b""
        self._socket = self._connected(port)
        self._message()
        self._call("WebDriver:NewSession")

    def open(self, url: str) -> None:
        """Go to a page, and wait until it is loaded."""
        self._call("WebDriver:Navigate", url=url)

    def value(self, expression: str) -> Any:
        """What an expression is in the page: JSON."""
        return self._call("WebDriver:ExecuteScript", script=f"return {expression}", args=[])["value"]

    def wait(self, expression: str) -> Any:
        """Wait until an expression is true, and return it."""
        end = time.monotonic() + PATIENCE
        while not (found := self.value(expression)):
            assert time.monotonic() < end, (
                f"{expression}; the page says: {self.value('document.body.innerText')}"
            )
            time.sleep(0.2)
        return found

    def close(self) -> None:
        """End it."""
        self._socket.close()
        self._process.terminate()
        self._process.wait(30)

    def _connected(self, port: int) -> socket.socket:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
            except ConnectionRefusedError:
                assert self._process.poll() is None, "Firefox has ended"
                assert time.monotonic() < end, "Firefox does not come up"
                time.sleep(0.2)

    def _call(self, command: str, **parameters: Any) -> Any:
        self._count += 1
        text = json.dumps([0, self._count, command, parameters])
        self._socket.sendall(f"{len(text.encode())}:{text}".encode())
        _, number, error, result = self._message()
        assert number == self._count
        assert error is None, error
        return result

    def _message(self) -> Any:
        while b":" not in self._read:
            self._read += self._received()
        length, _, self._read = self._read.partition(b":")
        while len(self._read) < int(length):
            self._read += self._received()
        message, self._read = self._read[: int(length)], self._read[int(length) :]
        return json.loads(message)

    def _received(self) -> bytes:
        found = self._socket.recv(1 << 16)
        assert found, "Firefox has closed the connection"
        return found
