"""A web server for bundles on this machine alone, with the headers that a public one should send, too."""

from __future__ import annotations

import gzip
import mimetypes
import os
import re
from functools import cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import unquote, urlsplit

from kexport.errors import UsageError

#: What every answer carries. The first two let the page share memory with its workers, which is what threads are made of.
HEADERS: Final = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data: blob:; "
        "media-src 'self' blob:; connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

#: Names with a hash of the contents never change; the others are asked for again at each visit.
_HASHED: Final = re.compile(r"-[0-9a-f]{12}\.[a-z0-9.]+$")
_FOREVER: Final = "public, max-age=31536000, immutable"

#: Not those of the operating system, which may know .js as text/plain.
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
}

#: WebAssembly lies there packed, in two forms that differ in their last suffix. A browser that is told so unpacks it itself: it compiles
#: meanwhile, and keeps what it compiled.
_PACKED_WASM: Final = re.compile(r"\.wasm\.(gz|br)$")
_ENCODINGS: Final = {"br": ".br", "gzip": ".gz"}


class BundleServer:
    """Serves a folder on 127.0.0.1; a context manager that stops it.

    Args:
        folder: a bundle, or the export folder that it is in.
        port: 0 takes a free one.

    Raises:
        UsageError: the folder holds no bundle, or the port is taken.
    """

    def __init__(self, folder: str | os.PathLike[str], port: int = 0) -> None:
        self.folder = bundle_in(Path(folder))
        bundle = self.folder

        class Handler(_Handler):
            root = bundle

        try:
            self._http = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        except (OSError, OverflowError) as error:
            raise UsageError(
                f"Port {port} can't be served on: {getattr(error, 'strerror', None) or error}.",
                hint="Choose another one with --port, or 0 for any that is free.",
            ) from error
        self._http.daemon_threads = True

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self._http.server_port}/"

    def run(self) -> None:
        """Serve until another thread calls :meth:`stop`, or an exception ends it."""
        self._http.serve_forever(poll_interval=0.1)

    def stop(self) -> None:
        """Let :meth:`run` return."""
        self._http.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._http.server_close()


def bundle_in(folder: Path) -> Path:
    """The bundle that a folder is, or that an export folder holds.

    Raises:
        UsageError: there is none.
    """
    for candidate in (folder, folder / "web"):
        if (candidate / "index.html").is_file():
            return candidate
    raise UsageError(
        f"{str(folder)!r} holds no web bundle.", hint="Make one with `kexport --target web MODEL`."
    )


class _Handler(BaseHTTPRequestHandler):
    root: Path
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """A file of the bundle."""
        path = self._path()
        if path is None:
            self._answer(HTTPStatus.NOT_FOUND, b"There is no such file in this bundle.\n", ".txt", {})
            return
        headers = {"Cache-Control": _FOREVER if _HASHED.search(path.name) else "no-cache"}
        raw, suffix, encoding = _contents(path, self._accepted())
        if path.suffix in _TYPES or _PACKED_WASM.search(path.name):
            headers["Vary"] = "Accept-Encoding"
        if encoding:
            headers["Content-Encoding"] = encoding
        self._answer(HTTPStatus.OK, raw, suffix, headers)

    def _accepted(self) -> set[str]:
        """The encodings that the browser takes (RFC 9110, section 12.5.3); those with a weight of 0 are refused."""
        listed = [item.strip().lower() for item in self.headers.get("Accept-Encoding", "").split(",")]
        return {item.split(";")[0].strip() for item in listed if not re.search(r";\s*q=0(\.0*)?$", item)}

    def do_HEAD(self) -> None:
        """What is said of a file before it comes."""
        self.do_GET()

    def _path(self) -> Path | None:
        """The file that is asked for; None where there is none, or it lies elsewhere."""
        parts = [unquote(part) for part in urlsplit(self.path).path.split("/") if part]
        if any(part in (".", "..") or set(part) & {"/", "\\", "\0", ":"} for part in parts):
            return None
        path = self.root.joinpath(*parts) if parts else self.root / "index.html"
        return path if path.is_file() else None

    def _answer(self, status: HTTPStatus, body: bytes, suffix: str, headers: dict[str, str]) -> None:
        kind = _TYPES.get(suffix) or mimetypes.types_map.get(suffix, "application/octet-stream")
        # What the page unpacks itself.
        kind = "application/octet-stream" if suffix in (".gz", ".br") else kind
        self.send_response(status)
        for name, value in {
            **HEADERS,
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            **headers,
        }.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the base class calls it so)
        """Requests are nobody's business."""


def _contents(path: Path, accepted: set[str]) -> tuple[bytes, str, str]:
    """What is sent of a file, the suffix that tells its type, and its encoding; empty where there is none."""
    if _PACKED_WASM.search(path.name):
        for encoding, suffix in _ENCODINGS.items():
            packed = path.with_suffix(suffix)
            if encoding in accepted and packed.is_file():
                return packed.read_bytes(), ".wasm", encoding
    elif path.suffix in _TYPES and "gzip" in accepted:
        return _packed(path.read_bytes()), path.suffix, "gzip"
    return path.read_bytes(), path.suffix, ""


@cache
def _packed(raw: bytes) -> bytes:
    return gzip.compress(raw, mtime=0)
