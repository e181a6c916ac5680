"""The model's own Keras, in a process of its own.

:meth:`Reference.start` launches ``record_model.py``, which imports Keras and loads the model while the caller lowers
it; :meth:`Reference.predict` hands it the inputs. Where one Keras or backend can't load or run the model, the next
one that is installed is tried, and the reasons are kept.
"""

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
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from kexport.errors import NotVerifiedError, UnsafeModelError
from kexport.ir import Array
from kexport.loading.spec import Provenance
from kexport.reference.candidates import Candidate, candidates
from kexport.reference.golden import Golden, load_golden, write_arrays

LOAD_SECONDS = 600.0
PREDICT_SECONDS = 1800.0

_RECORDER = Path(__file__).with_name("record_model.py")
_RECORD_HINT = (
    "Record a golden file where the model was trained (record_model.py MODEL --out golden.npz) and give it with "
    "--golden golden.npz, or export with --no-verify."
)


class Reference:
    """Computes the reference outputs. Use it as a context manager, so that its process ends with the block."""

    def __init__(
        self,
        path: Path,
        tried: Sequence[Candidate],
        *,
        weights: Path | None = None,
        custom_objects: Path | None = None,
        load_seconds: float = LOAD_SECONDS,
        predict_seconds: float = PREDICT_SECONDS,
    ) -> None:
        self._arguments = [str(path)]
        if weights is not None:
            self._arguments += ["--weights", str(weights)]
        if custom_objects is not None:
            self._arguments += ["--custom-objects", str(custom_objects)]
        self._waiting = list(tried)
        self._load_seconds = load_seconds
        self._predict_seconds = predict_seconds
        self._path = path
        self._worker: _Worker | None = None
        #: Why candidates failed, in the order they were tried.
        self.reasons: list[str] = []

    @classmethod
    def start(
        cls,
        path: Path,
        provenance: Provenance,
        *,
        weights: Path | None = None,
        custom_objects: Path | None = None,
        load_seconds: float = LOAD_SECONDS,
        predict_seconds: float = PREDICT_SECONDS,
    ) -> Self:
        """Launch the first Keras that may read the file, and return at once.

        Raises:
            NotVerifiedError: none that is installed reads it as its own framework did.
        """
        reference = cls(
            path,
            candidates(provenance),
            weights=weights,
            custom_objects=custom_objects,
            load_seconds=load_seconds,
            predict_seconds=predict_seconds,
        )
        reference._next()
        return reference

    def predict(
        self,
        inputs: Mapping[str, Array],
        *,
        output_names: Sequence[str],
        layers: bool = False,
    ) -> Golden:
        """The reference's outputs for these inputs.

        Args:
            inputs: by name, in the model's order; (samples, …) arrays.
            output_names: the model's output names, in order.
            layers: also record what every layer call computed.

        Raises:
            NotVerifiedError: no candidate could load the model and compute it; the message holds each one's reason.
            UnsafeModelError: the file brings code.
        """
        while self._worker is not None or self._next():
            assert self._worker is not None
            try:
                return self._worker.predict(
                    inputs, output_names, layers, self._load_seconds, self._predict_seconds
                )
            except _WorkerError as error:
                label = self._worker.candidate.label
                self._worker.close()
                self._worker = None
                if error.kind == "unsafe":
                    raise UnsafeModelError(f"{str(self._path)!r}: {error}", hint=_RECORD_HINT) from error
                self.reasons.append(f"{label}: {error}")
        raise NotVerifiedError(
            "No Keras that is installed here computes this model:\n"
            + "\n".join(f"  {why}" for why in self.reasons),
            hint=_RECORD_HINT,
        )

    def _next(self) -> bool:
        while self._waiting:
            candidate = self._waiting.pop(0)
            try:
                self._worker = _Worker(candidate, self._arguments)
            except OSError as error:
                self.reasons.append(f"{candidate.label}: its process can't be started ({error})")
                continue
            return True
        return False

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._waiting.clear()
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _WorkerError(Exception):
    """The worker could not; ``kind`` is record_model.py's, or ``died`` or ``timeout``."""

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


class _Worker:
    """One running ``record_model.py --serve``."""

    def __init__(self, candidate: Candidate, arguments: Sequence[str]) -> None:
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
            sys.executable,
            "-P",
            str(_RECORDER),
            *arguments,
            "--serve",
            "--library",
            self.candidate.library,
        ]
        environment = {
            **os.environ,
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

    def predict(
        self,
        inputs: Mapping[str, Array],
        output_names: Sequence[str],
        layers: bool,
        load_seconds: float,
        predict_seconds: float,
    ) -> Golden:
        if self._ready is None:
            self._ready = self._answer(load_seconds, "to load the model")
        names = list(inputs)
        given = Path(self._folder.name) / "inputs.npz"
        answered = Path(self._folder.name) / "golden.npz"
        write_arrays(given, ((f"inputs/{name}", array) for name, array in inputs.items()))
        self._request(
            {
                "inputs": str(given),
                "out": str(answered),
                "layers": layers,
                "input_names": names,
                "output_names": list(output_names),
            }
        )
        self._answer(predict_seconds, "to compute the outputs")
        golden = load_golden(answered)
        return Golden(
            {name: inputs[name] for name in names},
            {name: golden.outputs[name] for name in output_names},
            golden.layers,
            golden.meta,
        )

    def _request(self, request: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        # A worker that has died is noticed when its answer is read.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()

    def _answer(self, seconds: float, what: str) -> dict[str, Any]:
        try:
            line = self._answers.get(timeout=seconds)
        except queue.Empty:
            raise _WorkerError(f"it took more than {seconds:g} s {what}", "timeout") from None
        if line is None:
            raise _WorkerError(self._death(), "died")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise _WorkerError(answer["error"], answer["kind"])
        return answer

    def _death(self) -> str:
        code = self._process.wait()
        if code == -9:
            return "its process was killed (signal 9), as happens when memory runs out"
        tail = [line for line in self._errors.read_text("utf-8", "replace").splitlines() if line.strip()][-3:]
        shown = ": " + " | ".join(tail) if tail else ""
        return f"its process ended {f'by signal {-code}' if code < 0 else f'with exit code {code}'}{shown}"

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        self._folder.cleanup()
