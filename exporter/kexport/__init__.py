"""Exports trained Keras models to TF Lite and other runtimes, and shows that each artifact computes what the model does.

    >>> import kexport
    >>> result = kexport.export("model.h5", target="tflite")  # doctest: +SKIP
    >>> result.artifact  # doctest: +SKIP
    PosixPath('model_export/tflite/model.tflite')

Importing this module costs nothing: what a call needs is imported by the call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kexport.api import (
        ExportResult,
        InspectResult,
        RecordResult,
        SmokeResult,
        TargetResult,
        VerifyResult,
        export,
        inspect,
        record,
        smoke,
        verify,
    )
    from kexport.errors import KexportError

__version__ = "0.1.0"

__all__ = [
    "ExportResult",
    "InspectResult",
    "KexportError",
    "RecordResult",
    "SmokeResult",
    "TargetResult",
    "VerifyResult",
    "__version__",
    "export",
    "inspect",
    "record",
    "smoke",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module = import_module("kexport.errors" if name == "KexportError" else "kexport.api")
    value = globals()[name] = getattr(module, name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
