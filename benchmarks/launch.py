"""Runs a command and writes what it took: ``python -S launch.py RESULT LOG COMMAND [ARGUMENT ...]``.

A process's peak memory includes that of the one it was started from, as it was at that moment (Linux keeps ``ru_maxrss`` across
``exec``), so commands are measured from this small one.
"""

import os
import sys
import time
from pathlib import Path


def main() -> None:
    """Write wall seconds, ``ru_maxrss`` and the exit code to RESULT; output goes to LOG."""
    result, log, *command = sys.argv[1:]
    with Path(log).open("wb") as sink:
        start = time.perf_counter()
        process = os.posix_spawn(
            command[0],
            command,
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, sink.fileno(), 1), (os.POSIX_SPAWN_DUP2, sink.fileno(), 2)],
        )
        _, status, usage = os.wait4(process, 0)
        wall = time.perf_counter() - start
    Path(result).write_text(f"{wall!r} {usage.ru_maxrss} {os.waitstatus_to_exitcode(status)}")


if __name__ == "__main__":
    main()
