"""Models in this process whose code is called here."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from kexport.errors import UsageError
from kexport.loading.spec import Provenance
from kexport.reference import record_model
from kexport.reference.live import library_of
from kexport.tracing.tracers import LiveTracer

#: It has no type annotations: it runs on Python 2.7 too.
_recorder: Any = record_model


def around(
    model: Any, input_shapes: Mapping[str, Sequence[int | None]] | None
) -> tuple[Any, Mapping[str, Any]]:
    """The Functional model around a live one that is code, and its description.

    Raises:
        UsageError: its inputs are not known, or it can't be called on symbolic tensors.
    """
    library = _recorder.Library(library_of(model))
    try:
        recorder = _recorder.Recorder(library, _recorder.around(library, model, input_shapes))
    except record_model.RecordError as error:
        raise UsageError(str(error), hint="Call the model once on data, or give input_shape.") from error
    return recorder.model, _recorder.description(recorder)


def live_tracer(model: Any, provenance: Provenance, label: str) -> LiveTracer:
    """Traces a model in this process."""
    return LiveTracer(_recorder.Library(library_of(model)), model, {}, provenance, label)


def load_here(path: Path, objects: Mapping[str, Any]) -> Any:
    """The model in a file, loaded in this process by the Keras that the objects are of.

    Raises:
        UsageError: none of the objects is of a Keras, or it can't load the file.
    """
    roots = {
        base.__module__.partition(".")[0]
        for item in objects.values()
        for base in getattr(item, "__mro__", ())
    }
    name = "tf_keras" if "tf_keras" in roots else "keras"
    keras = sys.modules.get(name) or import_module(name)
    try:
        return keras.models.load_model(str(path), custom_objects=dict(objects), compile=False)
    except Exception as error:
        # Whatever Keras raises for a file that the objects don't complete.
        raise UsageError(
            f"{path}: {keras.__name__} can't load it with the custom objects given: {error}"
        ) from error
