"""A live model as its own reference."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from types import ModuleType, TracebackType
from typing import Any, Self

from kexport.errors import NotVerifiedError, UsageError
from kexport.ir import Array
from kexport.reference import record_model
from kexport.reference.golden import Golden

#: The packages that the classes of Keras models live in (``tf.keras`` is one of the two).
_LIBRARIES = ("keras", "tf_keras")

#: It has no type annotations: it runs on Python 2.7 too.
_recorder: Any = record_model


class LiveReference:
    """Predicts with a model that is in this process, on the CPU; nothing about the model changes."""

    def __init__(self, model: Any) -> None:
        self._library = _recorder.Library(library_of(model))
        try:
            self._recorder = _recorder.Recorder(self._library, model)
        except record_model.RecordError as error:
            raise UsageError(str(error), hint="Call the model once, or give it an Input layer.") from error

    def predict(
        self, inputs: Mapping[str, Array], *, output_names: Sequence[str], layers: bool = False
    ) -> Golden:
        """As :meth:`kexport.reference.process.Reference.predict`."""
        names = list(inputs)
        try:
            ordered = _recorder.match_names(names, self._recorder.input_names, "inputs")
            named = _recorder.match_names(list(output_names), self._recorder.output_names, "outputs")
            arrays = [inputs[name] for name in ordered]
            outputs = dict(zip(named, self._recorder.predict(arrays), strict=True))
            recorded = self._recorder.layers(arrays) if layers else {}
        except Exception as error:
            # Whatever a backend or a layer of the user's raises: the model does not compute these inputs.
            raise NotVerifiedError(f"The model itself fails on the golden inputs: {error}") from error
        meta = _recorder.describe(self._library)
        return Golden(dict(inputs), {name: outputs[name] for name in output_names}, recorded, meta)

    def close(self) -> None:
        """Nothing to end."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def library_of(model: Any) -> ModuleType:
    """The Keras that a live model is of.

    Raises:
        UsageError: it is of none.
    """
    for kind in type(model).__mro__:
        name = kind.__module__.partition(".")[0]
        if name in _LIBRARIES and name in sys.modules:
            return sys.modules[name]
    raise UsageError(f"A live model is an instance of a Keras model class. Received: {type(model)!r}")
