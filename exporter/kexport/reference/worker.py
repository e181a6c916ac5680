"""One running ``record_model.py``."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kexport.ir import Array
from kexport.reference.candidates import Candidate
from kexport.reference.golden import Golden, load_golden, write_arrays

RECORDER = Path(__file__).with_name("record_model.py")


@dataclass(frozen=True)
class Patience:
    """How many seconds a worker may take to load a model and to answer a request."""

    load: float = 600.0
    predict: float = 1800.0


@dataclass(frozen=True)
class Request:
    """Inputs by name and the names that outputs go by, both in the model's order; with every layer's output or not."""

    inputs: Mapping[str, Array]
    output_names: Sequence[str]
    layers: bool


class WorkerError(Exception):
    """The worker could not; ``kind`` is record_model.py's, or ``died`` or ``timeout``."""

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


class Worker:
    """One running ``record_model.py --serve``."""

    def __init__(self, candidate: Candidate, arguments: Sequence[str], patience: Patience) -> None:
        self._patience = patience
        self.candidate = candidate
        self._folder = tempfile.TemporaryDirectory(prefix="kexport-reference-", ignore_cleanup_errors=True)
        self._errors = Path(self._folder.name) / "stderr.txt"
        self._ready: dict[str, Any] | None = None
        self._answers: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        try:
            self._process = self._launch(arguments)
        except BaseException:
            self._folder.cleanup()
            raise
        threading.Thread(target=self._read, name="kexport-reference", daemon=True).start()

    def _launch(self, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
        # -P: the recorder's own folder is not searched for modules.
        command = [
            *(self.candidate.interpreter or (sys.executable, "-P")),
            str(RECORDER),
            *arguments,
            "--serve",
            "--library",
            self.candidate.library,
        ]
        environment = {
            **({} if self.candidate.interpreter else os.environ),
            **self.candidate.environment,
            # A keras.json of the user's may set floatx or the image format that the file leaves open.
            "KERAS_HOME": self._folder.name,
            "PYTHONUNBUFFERED": "1",
        }
        with self._errors.open("wb") as errors:
            return subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=environment
            )

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put(line)
        self._answers.put(None)

    def ready(self) -> Mapping[str, Any]:
        """What the worker says of itself and the model once it has loaded it.

        Raises:
            WorkerError: it can't load it.
        """
        if self._ready is None:
            self._ready = self._answer(self._patience.load, "to load the model")
        return self._ready

    def trace(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """The answer to a request of ``kexport.tracing``; its arrays are files that last as long as the worker.

        Raises:
            WorkerError: the code can't be traced (kind ``trace``), or the worker has failed.
        """
        self.ready()
        self._send({"trace": request, "folder": self._folder.name})
        return self._answer(self._patience.predict, "to trace custom code")

    def predict(self, request: Request) -> Golden:
        """What the model computes, by the request's names.

        Raises:
            WorkerError: it does not.
        """
        self.ready()
        given = Path(self._folder.name) / "inputs.npz"
        answered = Path(self._folder.name) / "golden.npz"
        write_arrays(given, ((f"inputs/{name}", array) for name, array in request.inputs.items()))
        self._send(
            {
                "inputs": str(given),
                "out": str(answered),
                "layers": request.layers,
                "input_names": list(request.inputs),
                "output_names": list(request.output_names),
            }
        )
        self._answer(self._patience.predict, "to compute the outputs")
        golden = load_golden(answered)
        outputs = {name: golden.outputs[name] for name in request.output_names}
        return Golden(dict(request.inputs), outputs, golden.layers, golden.meta)

    def _send(self, request: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        # A worker that has died is noticed when its answer is read.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()

    def _answer(self, seconds: float, what: str) -> dict[str, Any]:
        try:
            line = self._answers.get(timeout=seconds)
        except queue.Empty:
            raise WorkerError(f"it took more than {seconds:g} s {what}", "timeout") from None
        if line is None:
            raise WorkerError(self._death(), "died")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"], answer["kind"])
        return answer

    def _death(self) -> str:
        code = self._process.wait()
        if code == -9:
            return "its process was killed (signal 9), as happens when memory runs out"
        tail = [line for line in self._errors.read_text("utf-8", "replace").splitlines() if line.strip()][-3:]
        shown = ": " + " | ".join(tail) if tail else ""
        return f"its process ended {f'by signal {-code}' if code < 0 else f'with exit code {code}'}{shown}"

    def close(self) -> None:
        """End the process, whatever it is doing, and remove its files."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        self._folder.cleanup()
