"""Keeps the engine's chatter off the user's terminal."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import IO

_STDERR = 2

#: The descriptor belongs to the process: two threads that exchange it at a time would lose it.
_LOCK = threading.Lock()


@contextmanager
def without_info() -> Iterator[None]:
    """Hold back what is written to stderr meanwhile; pass on all of it but lines that start with ``INFO: ``.

    The engine reports "INFO: Created TensorFlow Lite XNNPACK delegate for CPU." from C++, straight to file
    descriptor 2. In ai-edge-litert 2.3.0 no environment variable is read for it, Python has no access to the minimum
    severity of its logger, and the binary does not export the symbol that ctypes could set; leaving out the delegate
    would silence it too, but then other kernels ran than on the user's devices. So the descriptor is exchanged, as
    briefly as possible: around loading and allocating, not around computing. A file takes what is written rather than
    a pipe, which would block when full.

    A process without stderr, or without a place for a temporary file, is left as it is.
    """
    with _LOCK, ExitStack() as stack:
        caught = _exchange(stack)
        try:
            yield
        finally:
            stack.close()
            if caught is not None:
                _pass_on(caught)


def _exchange(stack: ExitStack) -> IO[bytes] | None:
    """The file that stands for stderr until ``stack`` is closed; None where there can't be one."""
    try:
        terminal = os.dup(_STDERR)
    except OSError:
        return None
    stack.callback(os.close, terminal)
    try:
        caught = tempfile.TemporaryFile()  # noqa: SIM115 - outlives the stack; _pass_on closes it
    except OSError:
        return None
    os.dup2(caught.fileno(), _STDERR)
    stack.callback(os.dup2, terminal, _STDERR)
    return caught


def _pass_on(caught: IO[bytes]) -> None:
    with caught, open(_STDERR, "wb", closefd=False) as terminal:
        caught.seek(0)
        terminal.writelines(line for line in caught if not line.startswith(b"INFO: "))
