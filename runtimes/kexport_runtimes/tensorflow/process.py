"""The process that TensorFlow runs in, seen from outside: it is started when it is first needed, and stays for later runs."""

from __future__ import annotations

import atexit
import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from kexport_runtimes.tensorflow import frames

_WORKER = Path(__file__).with_name("worker.py")

#: TensorFlow does not give back all that a model took: after artifacts of so many bytes a new process takes over.
_MOST_SERVED = 200_000_000


class Worker:
    """One process, of so many threads. Requests are answered one after the other."""

    def __init__(self, threads: int) -> None:
        #: The bytes of the artifacts that it was asked about.
        self.served = 0
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  (as long as the process)
        environment = os.environ | {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", str(_WORKER), str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment,
        )

    def ask(
        self, artifact: Path, arrays: Mapping[str, NDArray[Any]], **message: Any
    ) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """The answer to a request about an artifact.

        Raises:
            ValueError: the inputs don't fit the artifact.
            RuntimeError: TensorFlow does not take or compute it, or the process has ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self.served += _size(artifact)
        whole = {"artifact": str(artifact.resolve()), **message}
        try:
            frames.send(self._process.stdin, whole, arrays)
            frame = frames.receive(self._process.stdout)
        except BrokenPipeError:
            frame = None
        if frame is None:
            raise RuntimeError(f"TensorFlow ended with {artifact}: {self._last_words()}")
        answer, found = frame
        if "value_error" in answer:
            raise ValueError(answer["value_error"])
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer, found

    def alive(self) -> bool:
        """Whether the process can be asked."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.terminate()
        self._process.wait()
        self._process.stdout.close()
        self._log.close()

    def _last_words(self) -> str:
        self._process.wait()
        self._log.seek(0)
        return self._log.read().decode(errors="replace").strip()[-2000:] or "it said nothing."


def _size(artifact: Path) -> int:
    """The bytes of a file, or of all files in a folder."""
    files = artifact.rglob("*") if artifact.is_dir() else [artifact]
    return sum(path.stat().st_size for path in files if path.is_file())


_SHARED: list[Worker] = []


def shared() -> Worker:
    """The process of one thread that serves all runs."""
    if _SHARED and not (_SHARED[0].alive() and _SHARED[0].served < _MOST_SERVED):
        _SHARED.pop().close()
    if not _SHARED:
        _SHARED.append(Worker(threads=1))
        atexit.register(close)
    return _SHARED[0]


def close() -> None:
    """End the shared process; a later run starts another."""
    while _SHARED:
        _SHARED.pop().close()
