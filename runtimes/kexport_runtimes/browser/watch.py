"""Starts a browser, and ends it with all its processes when whoever asked for it has gone, however that went.

``python watch.py PROFILE COMMAND…``: standard input is a pipe from the process that uses the browser; it ends when that does. The
browser's profile is removed with it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading

#: Seconds that a browser has to close by itself.
_PATIENCE = 5.0


def main(profile: str, command: list[str]) -> int:
    """The browser's exit status."""
    # Signals go to the whole group, this process among it.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    browser = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    threading.Thread(target=_end_with_input, args=(browser,), daemon=True).start()
    status = browser.wait()
    _signal_group(signal.SIGTERM, browser)
    shutil.rmtree(profile, ignore_errors=True)
    return status


def _end_with_input(browser: subprocess.Popen[bytes]) -> None:
    # Not sys.stdin, whose lock a thread that waits still holds when the interpreter ends.
    while os.read(0, 1024):
        pass
    _signal_group(signal.SIGTERM, browser)
    try:
        browser.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        browser.kill()


def _signal_group(number: signal.Signals, browser: subprocess.Popen[bytes]) -> None:
    """To the browser and what it started; the group is this process's own."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(os.getpgrp(), number)
        else:
            browser.terminate()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
