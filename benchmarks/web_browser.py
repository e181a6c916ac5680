"""A browser for measurements: a page of ``web_pages`` that does one piece of work after the other, in a profile of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import kexport_runtimes.browser
from kexport_runtimes.browser import frames, programs
from kexport_runtimes.browser.server import Server

PAGES = Path(__file__).with_name("web_pages")
WATCH = Path(kexport_runtimes.browser.__file__).with_name("watch.py")

#: Seconds that a piece of work may take.
LIMIT = 600.0


class MeasuringBrowser:
    """A browser that has loaded nothing but the page; it ends with the ``with`` statement.

    ``folders`` by name are what the page may load beside its own files; :meth:`address` and :meth:`file` lead there and back.
    """

    def __init__(self, folders: dict[str, Path]) -> None:
        program = programs.find()
        if program is None:
            raise SystemExit(programs.problem())
        self.version = programs.version(program)
        self._server = Server()
        # The browser is ended while its page waits for work: such a connection is no error to print.
        self._server._http.handle_error = lambda *_: None  # noqa: SLF001
        page = self._server.add(PAGES)
        self._addresses = {name: self._server.add(folder) for name, folder in folders.items()}
        self._folders = folders
        self._profile = tempfile.mkdtemp(prefix="kexport-bench-")
        url = self._server.address.removesuffix(f"/{self._server.secret}/harness.html") + page + "index.html"
        command = program.command(Path(self._profile), url)
        self._process = subprocess.Popen(
            [sys.executable, str(WATCH), self._profile, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()  # that is what watch.py waits for
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._server.close()
        shutil.rmtree(self._profile, ignore_errors=True)

    def address(self, folder: str, path: str = "") -> str:
        """Where the page finds a file of one of the folders, or the folder."""
        return self._addresses[folder] + path

    def file(self, address: str) -> tuple[str, Path] | None:
        """The folder and the file behind an address; None for the page's own."""
        for name, start in self._addresses.items():
            if address.startswith(start):
                return name, self._folders[name] / address.removeprefix(start)
        return None

    def ask(self, work: str, **message: Any) -> Any:
        """What the page has found.

        Raises:
            RuntimeError: it failed, or the browser has ended or hangs.
        """
        job = self._server.ask({"work": work, **message}, {})
        end = time.monotonic() + LIMIT
        while not job.done.wait(0.2):
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{self.version} gave no answer to {work}.")
        assert job.answer is not None
        answer, _ = frames.unpack(job.answer)
        if "failed" in answer:
            raise RuntimeError(answer["failed"])
        return answer["found"]
