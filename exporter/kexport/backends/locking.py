"""One setup of an environment at a time."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

if sys.platform != "win32":
    import fcntl


class Taken(Exception):  # noqa: N818  (a state that callers ask about, not a failure)
    """Another process has it, and the caller would not wait."""


@contextlib.contextmanager
def held(path: Path, waiting: Callable[[], None] | None) -> Iterator[tuple[int, ...]]:
    """Hold the lock ``path``, a file that is made where it is not there; the descriptors that keep it held.

    A process that inherits them keeps the lock when its parent is killed: what a killed setup has started goes on writing, and the next
    setup waits until it has ended.

    Args:
        waiting: called once before another's end is waited for; None: not to wait.

    Raises:
        Taken: another process has it, and ``waiting`` is None.
        OSError: the file can't be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        _take(file, waiting)
        yield () if sys.platform == "win32" else (file.fileno(),)


def _take(file: IO[str], waiting: Callable[[], None] | None) -> None:
    if sys.platform == "win32":
        # It has no such locks: there two setups at once are not kept apart.
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if waiting is None:
            raise Taken from None
        waiting()
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError:
        # Some network file systems have no locks.
        return
