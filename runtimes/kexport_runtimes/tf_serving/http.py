"""HTTP requests that end: within their time as a whole, and below a number of bytes."""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
from collections.abc import Mapping
from typing import Any, Final

from kexport_runtimes.tf_serving.address import Address
from kexport_runtimes.tf_serving.errors import ServerError, late

#: An answer with more is not read: 256 MiB.
MOST_BYTES: Final = 256 << 20
_BLOCK: Final = 1 << 16


class Connection:
    """A connection that is kept for the next request, as long as the server keeps it. Redirects are not followed.

    Args:
        address: the server's.
        timeout: seconds for a request, from looking for the server to the last byte of its answer.
        headers: that every request has.
        tls: how an encrypted server is told from an impostor.
    """

    def __init__(
        self, address: Address, *, timeout: float, headers: Mapping[str, str], tls: ssl.SSLContext | None
    ) -> None:
        self._address = address
        self._timeout = timeout
        self._headers = dict(headers)
        self._tls = tls
        self._open: _Client | None = None

    def get(self, path: str) -> tuple[int, bytes]:
        """The status and body of an answer to GET."""
        return self._request("GET", path, None)

    def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        """The status and body of an answer to POST of JSON.

        Raises:
            ServerError: there is no answer, or it is not whole in time, or too large.
        """
        return self._request("POST", path, body)

    def close(self) -> None:
        """Hang up."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def _request(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        end = time.monotonic() + self._timeout
        kept = self._open is not None
        try:
            return self._exchange(method, path, body, end)
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError) as error:
            failure = self._failed(error)
            # A server may hang up on a connection that it has kept for a while: then a new one is asked.
            if not kept:
                raise failure from error
        except (ServerError, OSError, http.client.HTTPException, ValueError) as error:
            raise self._failed(error) from error
        try:
            return self._exchange(method, path, body, end)
        except (ServerError, OSError, http.client.HTTPException, ValueError) as error:
            raise self._failed(error) from error

    def _exchange(self, method: str, path: str, body: bytes | None, end: float) -> tuple[int, bytes]:
        if self._open is None:
            self._open = _Client(self._address, self._tls)
        self._open.end = end
        headers = {"Accept": "application/json", "Content-Type": "application/json", **self._headers}
        self._open.request(method, f"{self._address.path}{path}", body, headers)
        # A response of unknown length is the connection's last, and nobody else closes it.
        with self._open.getresponse() as answer:
            contents = _read(answer)
        if answer.will_close:
            self.close()
        if 300 <= answer.status < 400:
            where = answer.getheader("Location", "nowhere")
            raise ServerError("redirect", f"The server redirects (HTTP {answer.status}) to {where!r:.200}.")
        return answer.status, contents

    def _failed(self, error: Exception) -> ServerError:
        """What a failure is called; the connection is of no more use."""
        self.close()
        match error:
            case ServerError():
                return error
            case TimeoutError():
                return late(self._timeout)
            case http.client.IncompleteRead():
                return ServerError("truncated", "The answer ends before it is whole.")
            case http.client.RemoteDisconnected() | ConnectionResetError() | BrokenPipeError():
                return ServerError("disconnected", "The server hung up without an answer.")
            case ConnectionRefusedError():
                return ServerError("refused", f"Nothing listens at {self._address}.")
            case ssl.SSLError():
                return ServerError("TLS", f"The encrypted connection fails: {error}.")
            case OSError():
                return ServerError(
                    "connection", f"{self._address} can't be reached: {error.strerror or error}."
                )
        return ServerError(
            "no HTTP",
            f"The answer is not HTTP: {type(error).__name__}: {str(error)!r:.200}. (TF Serving speaks HTTP on its REST port, by "
            "default 8501; grpc:// asks the other, 8500.)",
        )


def _read(answer: http.client.HTTPResponse) -> bytes:
    length = answer.getheader("Content-Length")
    if length is not None and length.isascii() and length.isdigit() and int(length) > MOST_BYTES:
        raise _too_large()
    parts, size = [], 0
    while part := answer.read(_BLOCK):
        size += len(part)
        if size > MOST_BYTES:
            raise _too_large()
        parts.append(part)
    if answer.length:
        # http.client does not tell the end of a connection from that of a body that is read in parts.
        raise http.client.IncompleteRead(b"", answer.length)
    return b"".join(parts)


def _too_large() -> ServerError:
    return ServerError("too large", f"The answer is larger than {MOST_BYTES >> 20} MiB.")


class _Client(http.client.HTTPConnection):
    """A connection whose every wait ends at ``end``, however slowly bytes drip in."""

    def __init__(self, address: Address, tls: ssl.SSLContext | None) -> None:
        super().__init__(address.host, address.port)
        self._tls_context = tls
        self.end = 0.0

    def connect(self) -> None:
        """Connect, and shake hands where the server is encrypted."""
        plain = _connected(self.host, self.port, self.end)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls_context is not None:
            plain.settimeout(_left(self.end))
            plain = self._tls_context.wrap_socket(plain, server_hostname=self.host)
        # http.client asks for no more of a socket than _Timed has.
        self.sock: Any = _Timed(plain, self)


def _connected(host: str, port: int, end: float) -> socket.socket:
    """A connection to the first of the host's addresses that answers; all of them share the time."""
    failure: OSError = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        made = socket.socket(family, kind, protocol)
        try:
            made.settimeout(_left(end))
            made.connect(address)
        except OSError as error:
            made.close()
            failure = error
        else:
            return made
    raise failure


class _Timed:
    """A socket that waits no longer than its client may. As any socket, it is closed once what reads from it is closed, too."""

    def __init__(self, inner: socket.socket, client: _Client) -> None:
        self._inner = inner
        self._client = client
        self._readers = 0
        self._closed = False

    def sendall(self, data: bytes) -> None:
        self._inner.settimeout(_left(self._client.end))
        self._inner.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        self._readers += 1
        return io.BufferedReader(_Reader(self), _BLOCK)

    def receive(self, buffer: Any) -> int:
        self._inner.settimeout(_left(self._client.end))
        return self._inner.recv_into(buffer)

    def close(self) -> None:
        self._closed = True
        if not self._readers:
            self._inner.close()

    def reader_closed(self) -> None:
        self._readers -= 1
        if self._closed:
            self.close()


class _Reader(io.RawIOBase):
    def __init__(self, timed: _Timed) -> None:
        self._timed = timed

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._timed.receive(buffer)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._timed.reader_closed()


def _left(end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
