"""The model's own Keras, in a process of its own.

:meth:`Reference.start` launches ``record_model.py``, which imports Keras and loads the model while the caller lowers
it; :meth:`Reference.predict` hands it the inputs. Where one Keras or backend can't load or run the model, the next
one that is installed is tried, and the reasons are kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from kexport.errors import NotVerifiedError, UnsafeModelError
from kexport.ir import Array
from kexport.loading.spec import Provenance
from kexport.reference.candidates import Candidate, candidates, tracers
from kexport.reference.custom_code import Code
from kexport.reference.golden import Golden
from kexport.reference.worker import Patience, Request, Worker, WorkerError

if TYPE_CHECKING:
    from kexport.reference.live import LiveReference

#: Failures that another Keras would repeat.
_FINAL = ("custom", "names", "usage", "trace")

PATIENCE = Patience()

NO_CODE = Code()

Answer = TypeVar("Answer")

_RECORD_HINT = (
    "Record a golden file where the model was trained (record_model.py MODEL --out golden.npz) and give it with "
    "--golden golden.npz, or export with --no-verify."
)


_CODE_HINT = (
    "If you trust whoever made the file: --trust-lambda runs its code, with your rights, in a process of its own. Or record a golden "
    "file where the model was trained (record_model.py MODEL --out golden.npz) and give it with --golden golden.npz."
)


class Reference:
    """Computes the reference outputs. Use it as a context manager, so that its process ends with the block."""

    def __init__(
        self, path: Path, tried: Sequence[Candidate], arguments: Sequence[str], patience: Patience
    ) -> None:
        self._path = path
        self._arguments = [str(path), *arguments]
        self._waiting = list(tried)
        self._patience = patience
        self._worker: Worker | None = None
        #: Why candidates failed, in the order they were tried.
        self.reasons: list[str] = []

    @classmethod
    def start(
        cls,
        path: Path,
        provenance: Provenance,
        *,
        weights: Path | None = None,
        code: Code = NO_CODE,
        input_shapes: Mapping[str, Sequence[int | None]] | None = None,
        tracing: bool = False,
        patience: Patience = PATIENCE,
    ) -> Self:
        """Launch the first Keras that may read the file, and return at once.

        Args:
            code: what may be run beside the file.
            input_shapes: of a subclassed model, with the batch, by input name.
            tracing: to trace its code alone, by a Keras of this Python; what it computes elsewhere is not asked.

        Raises:
            NotVerifiedError: none that is installed reads it as its own framework did.
        """
        arguments: list[str] = []
        if weights is not None:
            arguments += ["--weights", str(weights)]
        arguments += code.arguments()
        if input_shapes:
            arguments += ["--input-shapes", json.dumps({k: list(v) for k, v in input_shapes.items()})]
        reference = cls(path, tracers(provenance) if tracing else candidates(provenance), arguments, patience)
        reference._next()
        return reference

    @staticmethod
    def live(model: Any) -> LiveReference:
        """The reference of a model that is in this process: the model itself."""
        from kexport.reference.live import LiveReference

        return LiveReference(model)

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
        request = Request(inputs, output_names, layers)
        return self._asked(lambda worker: worker.predict(request))

    def ready(self) -> Mapping[str, Any]:
        """What the process says of itself and the model, once it has loaded it.

        Raises:
            NotVerifiedError, UnsafeModelError: as :meth:`predict`.
        """
        return self._asked(lambda worker: worker.ready())

    def trace(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """The answer to a request of ``kexport.tracing``.

        Raises:
            WorkerError: of kind ``trace``: the code can't be traced.
            NotVerifiedError, UnsafeModelError: as :meth:`predict`.
        """
        return self._asked(lambda worker: worker.trace(request), keep="trace")

    def _asked(self, ask: Callable[[Worker], Answer], keep: str = "") -> Answer:
        """The answer of the first worker that has one; an error of kind ``keep`` is the caller's, and the worker stays."""
        while self._worker is not None or self._next():
            assert self._worker is not None
            try:
                return ask(self._worker)
            except WorkerError as error:
                if keep and error.kind == keep:
                    raise
                candidate = self._worker.candidate
                self._worker.close()
                self._worker = None
                if error.kind == "unsafe":
                    raise UnsafeModelError(f"{str(self._path)!r}: {error}", hint=_CODE_HINT) from error
                self.reasons.append(f"{candidate.label}: {error}")
                if error.kind in _FINAL:
                    break
                if error.kind == "predict" and candidate.retry is not None:
                    self._waiting.insert(0, candidate.retry)
        raise NotVerifiedError(
            "No Keras that is installed here computes this model:\n"
            + "\n".join(f"  {why}" for why in self.reasons),
            hint=_RECORD_HINT,
        )

    def _next(self) -> bool:
        while self._waiting:
            candidate = self._waiting.pop(0)
            try:
                self._worker = Worker(candidate, self._arguments, self._patience)
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
