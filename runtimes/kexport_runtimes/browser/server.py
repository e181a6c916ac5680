"""A web server on this machine alone: the bundles, and the work that the page in the browser fetches and hands back.

The browser is told nothing but the server's address. Its page asks for work, computes, and posts what came out; any browser can do
that, without a protocol of its own.
"""

from __future__ import annotations

import mimetypes
import queue
import secrets
import select
import socket
import sys
import threading
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from kexport_runtimes.browser import frames

_HERE = Path(__file__).parent

#: With these a page may share memory with its workers, which is what threads are made of.
ISOLATED = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
}

_TYPES = {".js": "text/javascript", ".json": "application/json", ".html": "text/html", ".css": "text/css"}

#: Seconds that a page waits for work before it asks again.
_PATIENCE = 20.0


@dataclass
class Job:
    """A frame for the page, and the one it answers with."""

    frame: bytes
    answer: bytes | None = None
    done: threading.Event = field(default_factory=threading.Event)


class Server:
    """Serves until it is closed; ``secret`` keeps other pages of the browser's user out."""

    def __init__(self) -> None:
        self.secret = secrets.token_urlsafe(16)
        self.bundles: dict[str, Path] = {}
        self.jobs: dict[int, Job] = {}
        #: Whether a page has asked for work.
        self.met = False
        self._waiting: queue.Queue[int] = queue.Queue()
        self._count = 0
        server = self

        class Handler(_Handler):
            site = server

        self._http = _HttpServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self._http.server_port}/{self.secret}/harness.html"

    def add(self, folder: Path) -> str:
        """Serve a bundle's folder; its path on the server."""
        key = str(len(self.bundles))
        self.bundles[key] = folder
        return f"/{self.secret}/bundle/{key}/"

    def ask(self, message: dict[str, Any], arrays: dict[str, bytes]) -> Job:
        """Put work before the page."""
        self._count += 1
        job = Job(frames.pack({**message, "id": self._count}, arrays))
        self.jobs[self._count] = job
        self._waiting.put(self._count)
        return job

    def next(self) -> int | None:
        """The number of the work that the page is to do next; None where there is none for a while."""
        try:
            return self._waiting.get(timeout=_PATIENCE)
        except queue.Empty:
            return None

    def put_back(self, number: int) -> None:
        """Work that nobody took: the page has gone, and another may come."""
        self._waiting.put(number)

    def close(self) -> None:
        """Stop."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that closes leaves its connections as they are: that is no error."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """Files of the bundles by GET, work by GET and POST; all beneath the secret."""

    site: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """A file, or the next piece of work."""
        parts = self._parts()
        if parts == ["next"]:
            self._next()
        elif parts in (["harness.html"], ["harness.js"]):
            self._file(_HERE / parts[0])
        elif parts is not None and len(parts) > 2 and parts[0] == "bundle" and parts[1] in self.site.bundles:
            self._file(self.site.bundles[parts[1]].joinpath(*parts[2:]))
        else:
            self._send(HTTPStatus.NOT_FOUND, b"", "text/plain")

    def _next(self) -> None:
        self.site.met = True
        number = self.site.next()
        job = None if number is None else self.site.jobs.get(number)
        if number is None or job is None:
            self._send(HTTPStatus.NO_CONTENT, b"", "application/octet-stream")
            return
        try:
            if self._has_gone():
                raise ConnectionAbortedError
            self._send(HTTPStatus.OK, job.frame, "application/octet-stream")
        except ConnectionError:
            self.site.put_back(number)
            raise

    def _has_gone(self) -> bool:
        """Whether the other side has closed the connection, on which nothing is to come before an answer."""
        readable, _, _ = select.select([self.connection], [], [], 0)
        return bool(readable) and not self.connection.recv(1, socket.MSG_PEEK)

    def do_POST(self) -> None:
        """What came out."""
        parts = self._parts()
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        job = (
            self.site.jobs.pop(int(parts[1]), None)
            if parts and parts[0] == "done" and len(parts) == 2
            else None
        )
        if job is not None:
            job.answer = body
            job.done.set()
        self._send(HTTPStatus.NO_CONTENT if job else HTTPStatus.NOT_FOUND, b"", "text/plain")

    def _parts(self) -> list[str] | None:
        """The path beneath the secret; None where it is another's, or leads elsewhere."""
        parts = [unquote(part) for part in urlsplit(self.path).path.split("/") if part]
        if (
            not parts
            or parts[0] != self.site.secret
            or any(part in (".", "..") or "/" in part for part in parts)
        ):
            return None
        return parts[1:]

    def _file(self, path: Path) -> None:
        if not path.is_file():
            self._send(HTTPStatus.NOT_FOUND, b"", "text/plain")
            return
        kind = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        self._send(
            HTTPStatus.OK, path.read_bytes(), "application/octet-stream" if path.suffix == ".gz" else kind
        )

    def _send(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        for name, value in ISOLATED.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Cache-Control", "no-store")
        if status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if status != HTTPStatus.NO_CONTENT:
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the base class calls it so)
        """Requests are nobody's business."""
