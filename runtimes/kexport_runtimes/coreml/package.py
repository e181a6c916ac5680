"""Opens a .mlpackage folder, or a lone .mlmodel file that holds a program."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from kexport_runtimes.coreml.description import Description, read_description
from kexport_runtimes.coreml.errors import PackageError
from kexport_runtimes.coreml.paths import within
from kexport_runtimes.coreml.program import Program
from kexport_runtimes.coreml.program_reader import read_program
from kexport_runtimes.coreml.weights import WeightFiles
from kexport_runtimes.coreml.wire import Message

#: Bytes that are read at most. Weights lie in a file of their own, so that a program is small.
MAX_MODEL_SIZE = 1 << 30
_MAX_MANIFEST_SIZE = 1 << 20

#: ``Model.Type``, the oneof of Model.proto, as far as this module tells them apart.
_ML_PROGRAM = 502
_OTHER_TYPES = {
    200: "pipeline classifier",
    201: "pipeline regressor",
    202: "pipeline",
    303: "neural network regressor",
    403: "neural network classifier",
    500: "neural network",
}


@dataclass(frozen=True)
class Package:
    """A model as its files hold it."""

    path: Path
    specification_version: int
    description: Description
    program: Program
    weights: WeightFiles


def open_package(path: Path) -> Package:
    """Read the model; constants stay in their files until they are asked for.

    Args:
        path: a .mlpackage folder, or an .mlmodel file.

    Raises:
        PackageError: it is none, or breaks the format.
    """
    model = _root_model(path) if path.is_dir() else path
    try:
        return _read_model(path, Message(memoryview(_read(model, MAX_MODEL_SIZE))), WeightFiles(model.parent))
    except PackageError as error:
        raise PackageError(f"{path} can't be read: {error}") from error


def _read_model(path: Path, message: Message, weights: WeightFiles) -> Package:
    if not message.has(_ML_PROGRAM):
        kind = next((name for number, name in _OTHER_TYPES.items() if message.has(number)), "another model")
        raise PackageError(f"It is no ML program, which is what models are since iOS 15. Received: a {kind}")
    description = read_description(message.message(2))
    program = read_program(message.message(_ML_PROGRAM))
    return Package(path, message.sint(1), description, program, weights)


def _root_model(folder: Path) -> Path:
    """The .mlmodel that Manifest.json names."""
    manifest = folder / "Manifest.json"
    try:
        content = json.loads(_read(manifest, _MAX_MANIFEST_SIZE))
    except (ValueError, RecursionError) as error:
        raise PackageError(f"{manifest} is a JSON document. Received: {error}") from error
    try:
        relative = content["itemInfoEntries"][content["rootModelIdentifier"]]["path"]
    except (KeyError, TypeError) as error:
        raise PackageError(f"{manifest} names the root model and its path. It lacks: {error}") from error
    return within(folder / "Data", relative)


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise PackageError(f"{path} can't be read: {error}") from error
    if len(data) > limit:
        raise PackageError(f"{path} has at most {limit} bytes. It has more")
    return data
