"""Which package runs the files: the newest of the interpreters that were published under several names."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module, metadata
from importlib.util import find_spec
from typing import Any


@dataclass(frozen=True)
class Engine:
    """A package with an ``Interpreter``. ``numpy_1``: its binary is built for NumPy 1 and crashes with NumPy 2."""

    module: str
    package: str
    numpy_1: bool = False


#: In the order of preference. TensorFlow's own interpreter is not among them: an export needs no TensorFlow.
ENGINES = (
    Engine("ai_edge_litert", "ai-edge-litert"),
    # The last release is 2.14.0; the one with wheels for 32-bit Raspberry Pi OS.
    Engine("tflite_runtime", "tflite-runtime", numpy_1=True),
)

_INSTALL = (
    "neither ai-edge-litert nor tflite-runtime is installed: pip install 'kexport[litert]' "
    "(on 32-bit Raspberry Pi OS: pip install tflite-runtime 'numpy<2')"
)


def problem() -> str | None:
    """None when an engine is installed; otherwise why none can run here, with the command that helps.

    Looks the engine up without importing it.
    """
    engine = _installed()
    if engine is None:
        return _INSTALL
    if engine.numpy_1 and (numpy := metadata.version("numpy")).partition(".")[0] != "1":
        return f"{engine.package} needs NumPy 1, and NumPy {numpy} is installed: pip install 'numpy<2'"
    return None


def version() -> str:
    """The engine's package and version: ``ai-edge-litert 2.3.0``.

    Raises:
        RuntimeError: :func:`problem` has one.
    """
    engine = _usable()
    try:
        number = metadata.version(engine.package)
    except metadata.PackageNotFoundError:
        # Builds from source and nightly builds are packages of other names.
        number = getattr(import_module(engine.module), "__version__", "of unknown version")
    return f"{engine.package} {number}"


def interpreter_class() -> Any:
    """The class ``Interpreter`` of the engine, which is imported now.

    Raises:
        RuntimeError: :func:`problem` has one, or the engine's binary does not load on this machine.
    """
    engine = _usable()
    with suppress(ImportError):
        # Makes bfloat16 a dtype of NumPy's, without which the engine refuses files that have it; ai-edge-litert requires it.
        import_module("ml_dtypes")
    try:
        return import_module(f"{engine.module}.interpreter").Interpreter
    except ImportError as error:
        raise RuntimeError(f"{engine.package} is installed but can't be imported: {error}") from error


def _installed() -> Engine | None:
    return next((engine for engine in ENGINES if find_spec(engine.module) is not None), None)


def _usable() -> Engine:
    why, engine = problem(), _installed()
    if why is not None or engine is None:
        raise RuntimeError(why)
    return engine
