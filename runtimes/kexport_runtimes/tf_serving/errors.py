"""What goes wrong between a client and a server."""

from __future__ import annotations


class ServerError(RuntimeError):
    """The server does not answer, or not as it should. ``kind`` says it in a word or two, for counting: ``HTTP 503``, ``timeout``."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def late(seconds: float) -> ServerError:
    """There was no whole answer in time."""
    return ServerError("timeout", f"There was no whole answer within {seconds:g} s.")
