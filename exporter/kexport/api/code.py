"""The user's own code: what may be run, and the process that runs it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kexport.errors import LoweringError, NotVerifiedError, UnsafeModelError, UsageError
from kexport.loading.spec import Provenance
from kexport.reference.custom_code import Code

if TYPE_CHECKING:
    from kexport.reference import Reference

#: A Python file, or objects by the names that the model's configs call them.
CustomObjects = str | os.PathLike[str] | Mapping[str, Any]


def code_of(
    custom_objects: CustomObjects | None, custom_object: str | Sequence[str], *, trust_lambda: bool
) -> Code:
    """What may be run in the reference process.

    Raises:
        UsageError: the file is not there, or an expression is none.
    """
    path = None
    if isinstance(custom_objects, str | os.PathLike):
        path = Path(custom_objects)
        if not path.is_file():
            raise UsageError(f"Custom objects are a Python file. Received: {str(path)!r}, which is no file")
    expressions = (custom_object,) if isinstance(custom_object, str) else tuple(custom_object)
    for text in expressions:
        name, equals, expression = text.partition("=")
        if not name.strip() or not equals or not expression.strip():
            raise UsageError(
                f"A custom object is NAME=EXPRESSION. Received: {text!r}",
                hint="For example: --custom-object '<lambda>=relu(max_value=20)'.",
            )
    return Code(path, expressions, trust_lambda)


class OwnKeras:
    """The model's own Keras in a process of its own, started when it is first needed."""

    def __init__(
        self,
        path: Path,
        provenance: Provenance,
        weights: Path | None,
        code: Code,
        input_shapes: Mapping[str, Sequence[int | None]] | None,
    ) -> None:
        self._arguments = path, provenance
        self._more: dict[str, Any] = {"weights": weights, "code": code, "input_shapes": input_shapes}
        self._reference: Reference | None = None
        self._tracer: Reference | None = None

    def reference(self) -> Reference:
        """The process, which loads the model while the caller goes on.

        Raises:
            NotVerifiedError: no Keras that is installed reads the file as its own framework did.
        """
        if self._reference is None:
            from kexport.reference import Reference

            self._reference = Reference.start(*self._arguments, **self._more)
        return self._reference

    def ready(self) -> Mapping[str, Any]:
        """What the process says of the model once it has loaded it, for a model that is code.

        Raises:
            LoweringError: it can't load it.
        """
        try:
            return self.reference().ready()
        except NotVerifiedError as error:
            raise _not_run(error) from error

    def trace(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """The answer to a request of ``kexport.tracing``."""
        from kexport.reference.worker import WorkerError
        from kexport.tracing.tracers import TraceFailedError

        try:
            return self._tracing().trace(request)
        except WorkerError as error:
            raise TraceFailedError(str(error)) from error
        except UnsafeModelError:
            raise
        except NotVerifiedError as error:
            raise _not_run(error) from error

    def _tracing(self) -> Reference:
        """The process that traces: the reference's, unless that is in an environment of its own, where kexport is not."""
        if self._tracer is None:
            from kexport.reference import Reference, needs_tracer

            if needs_tracer(self._arguments[1]):
                self._tracer = Reference.start(*self._arguments, **self._more, tracing=True)
            else:
                self._tracer = self.reference()
        return self._tracer

    def close(self) -> None:
        """End the processes that were started."""
        for process in (self._reference, self._tracer):
            if process is not None:
                process.close()


def _not_run(error: NotVerifiedError) -> LoweringError:
    return LoweringError(
        f"The model's own code is run in its Keras, and that can't be. {error.message}",
        hint="Install the Keras and the backend that the model was made with, and see that the code which is handed over defines "
        "every class and function that the file names.",
    )
