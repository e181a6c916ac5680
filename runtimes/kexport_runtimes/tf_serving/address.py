"""Where a server is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

#: Scheme → whether it is encrypted, and TF Serving's usual port.
SCHEMES: Final = {"http": (False, 8501), "https": (True, 443), "grpc": (False, 8500), "grpcs": (True, 443)}


@dataclass(frozen=True)
class Address:
    """``path`` is what stands before ``/v1/models``, for servers behind a gateway."""

    scheme: str
    host: str
    port: int
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> Address:
        """The address in a URL: ``http://localhost:8501``, ``grpc://[::1]:8500``.

        Raises:
            ValueError: it is none.
        """
        shape = "A server's address is http://HOST:8501 or grpc://HOST:8500 (https://, grpcs:// with TLS)."
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError as error:
            raise ValueError(f"{shape} Received: {text!r} ({error})") from error
        strange = parts.query or parts.fragment or parts.username or parts.password
        if parts.scheme not in SCHEMES or not parts.hostname or strange or not _plain(text):
            raise ValueError(f"{shape} Received: {text!r}")
        path = parts.path.rstrip("/")
        if path and parts.scheme.startswith("grpc"):
            raise ValueError(f"{shape} gRPC has no paths. Received: {text!r}")
        found = SCHEMES[parts.scheme][1] if port is None else port
        return cls(parts.scheme, parts.hostname, found, path)

    @property
    def encrypted(self) -> bool:
        """Whether TLS is spoken."""
        return SCHEMES[self.scheme][0]

    @property
    def is_rest(self) -> bool:
        """Whether it is the REST API's."""
        return self.scheme.startswith("http")

    @property
    def netloc(self) -> str:
        """Host and port; an IPv6 address in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.netloc}{self.path}"


def _plain(text: str) -> bool:
    """Whether nothing in it could end a line of a request."""
    return text.isascii() and text.isprintable() and " " not in text
