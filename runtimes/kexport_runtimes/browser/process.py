"""The browser's process: it is started when it is first needed, and stays for later runs."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from kexport_runtimes.browser import frames, programs
from kexport_runtimes.browser.server import Server

#: Seconds that a piece of work may take before the browser counts as hung; the first one includes its start.
_LIMIT: Final = 180.0

#: Seconds that closing takes at most, twice.
_PATIENCE: Final = 10.0

#: The way out where a browser does not come up.
_ANOTHER: Final = f" Name another browser in {programs.VARIABLE}."

_WATCH: Final = Path(__file__).with_name("watch.py")

#: What WebAssembly was given it does not give back: after bundles of so many bytes the page starts anew.
_MOST_SERVED: Final = 150_000_000


class Browser:
    """A browser without a window, and the server that its page works for.

    Raises:
        ChildProcessError: the program can't be started.
    """

    def __init__(self, program: programs.Program) -> None:
        self.program = program
        self._served = 0
        self._addresses: dict[tuple[object, ...], str] = {}
        self._server = Server()
        self._folder = Path(tempfile.mkdtemp(prefix="kexport-browser-"))
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  (as long as the process)
        gpu = bool(os.environ.get("KEXPORT_BROWSER_GPU"))
        try:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    str(_WATCH),
                    str(self._folder),
                    *program.command(self._folder, self._server.address, gpu=gpu),
                ],
                stdin=subprocess.PIPE,
                stdout=self._log,
                stderr=self._log,
                start_new_session=True,
            )
        except OSError as error:
            self._server.close()
            shutil.rmtree(self._folder, ignore_errors=True)
            raise ChildProcessError(f"{program.path} can't be started: {error}.{_ANOTHER}") from error

    def ask(
        self, folder: Path, arrays: dict[str, bytes], **message: Any
    ) -> tuple[dict[str, Any], dict[str, bytes]]:
        """What the page answers about a bundle.

        Raises:
            ChildProcessError: the browser does not come up.
            RuntimeError: it can't compute that, or the browser has ended or hangs.
        """
        fresh = self._served > _MOST_SERVED
        if fresh:
            self._served = 0
        job = self._server.ask({**message, "bundle": self._address(folder), "fresh": fresh}, arrays)
        end = time.monotonic() + _LIMIT
        while not job.done.wait(0.2):
            hangs = time.monotonic() > end
            if hangs or not self.alive():
                raise self._failed(f"gave no answer for {_LIMIT:.0f} s" if hangs else "ended")
        assert job.answer is not None
        answer, found = frames.unpack(job.answer)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer, found

    def _address(self, folder: Path) -> str:
        """Where the bundle is on the server: the same place for the same contents, so that the page may keep what it compiled."""
        files = sorted(path for path in folder.iterdir() if path.is_file())
        states = [(path, path.stat()) for path in files]
        key = (
            folder,
            *((path.name, state.st_size, state.st_mtime_ns, state.st_ino) for path, state in states),
        )
        if key not in self._addresses:
            self._served += sum(state.st_size for _, state in states)
            self._addresses[key] = self._server.add(folder)
        return self._addresses[key]

    def alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None

    def close(self) -> None:
        """End it, and remove its profile."""
        assert self._process.stdin is not None
        # That is what watch.py waits for.
        self._process.stdin.close()
        try:
            self._process.wait(timeout=2 * _PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()
        self._server.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _failed(self, how: str) -> Exception:
        """What became of it; it is closed."""
        name, words, met = programs.version(self.program), self._last_words(), self._server.met
        self.close()
        if met:
            return RuntimeError(f"{name} {how}. {words}")
        return ChildProcessError(
            f"{name} ({self.program.path}) does not open a page: it {how}. {words}{_ANOTHER}"
        )

    def _last_words(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace").strip()[-2000:] or "It said nothing."


_SHARED: list[Browser] = []


def shared(program: programs.Program) -> Browser:
    """The browser that serves all runs."""
    if _SHARED and not (_SHARED[0].alive() and _SHARED[0].program == program):
        _SHARED.pop().close()
    if not _SHARED:
        _SHARED.append(Browser(program))
        atexit.register(close)
    return _SHARED[0]


def close() -> None:
    """End the shared browser; a later run starts another."""
    while _SHARED:
        _SHARED.pop().close()
