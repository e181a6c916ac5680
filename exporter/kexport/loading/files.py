"""What a file is, told by its first bytes, and JSON read with bounds."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

from kexport.errors import ModelReadError, UnsafeModelError
from kexport.loading.archive import MAX_JSON_BYTES, TRUNCATED_HINT, decoded
from kexport.loading.context import shorten
from kexport.loading.folder import is_keras_folder
from kexport.loading.hdf5 import SIGNATURE

MAX_JSON_DEPTH = 400
"""A model nested 48 deep needs about 300: brackets around a layer, its config, its list of layers."""

_ZIP = (b"PK\x03\x04", b"PK\x05\x06")


def kind_of(path: Path) -> str:
    """``hdf5``, ``zip``, ``json`` or ``folder``, which is a ``.keras`` model unpacked.

    Raises:
        ModelReadError: the file can't be read, is empty, or is none of them.
    """
    if is_keras_folder(path):
        return "folder"
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
            raise ModelReadError(f"{path}: A model is a regular file, which can be read more than once.")
        with path.open("rb") as file:
            head = file.read(512)
            size = status.st_size
    except IsADirectoryError as error:
        raise ModelReadError(
            f"{path}: A model is expected, and this is a folder.", hint=_folder_hint(path)
        ) from error
    except OSError as error:
        raise ModelReadError(
            f"{path}: The file can't be read: {error.strerror or error}.", hint=_checkpoint_hint(path)
        ) from error
    except ValueError as error:
        raise ModelReadError(f"{str(path)!r} can't be a file: {error}.") from error
    if not head:
        raise ModelReadError(f"{path}: The file is empty.", hint=TRUNCATED_HINT)
    # An archive first: the HDF5 of its weights may stand where that of a file with a user block would.
    if head.startswith(_ZIP):
        return "zip"
    if head.startswith(SIGNATURE) or _has_user_block(path, size):
        return "hdf5"
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{":
        return "json"
    raise ModelReadError(
        f"{path}: This is not a Keras model. Received: a file that begins with {shorten(head[:16])}",
        hint=f"Models are .h5/.hdf5 and .keras files, or model.json with weights. {_guess(head, path.name)}".rstrip(),
    )


def _has_user_block(path: Path, size: int) -> bool:
    """HDF5 may begin at byte 512, 1024, 2048, … (HDF5 file format specification, II.A)."""
    with path.open("rb") as file:
        offset = 512
        while offset + len(SIGNATURE) < min(size, 1 << 20):
            file.seek(offset)
            if file.read(len(SIGNATURE)) == SIGNATURE:
                return True
            offset *= 2
    return False


def _folder_hint(path: Path) -> str | None:
    """What to do about a folder that TensorFlow wrote."""
    if (path / "saved_model.pb").exists() or (path / "saved_model.pbtxt").exists():
        return (
            "It is a TensorFlow SavedModel, which holds a graph and not Keras's layers. Where Keras 2 saved it, load it with "
            "tf_keras.models.load_model(folder) and save the model as .keras or .h5."
        )
    if (path / "checkpoint").exists() or any(path.glob("*.index")):
        return _CHECKPOINT
    return None


_CHECKPOINT = (
    "These are the variables of a TensorFlow checkpoint, without a model. Build the model in its Keras, load_weights(checkpoint), "
    "and save it as .keras or .h5."
)


def _checkpoint_hint(path: Path) -> str | None:
    """A checkpoint is named by what its files begin with, which is itself no file."""
    return _CHECKPOINT if path.with_name(f"{path.name}.index").is_file() else None


def _guess(head: bytes, name: str = "") -> str:
    if name.endswith(".index") or ".data-0" in name:
        return _CHECKPOINT
    if name.endswith((".pb", ".pbtxt")):
        return "This is a TensorFlow graph. Save the Keras model that it was made from as .keras or .h5."
    if name.endswith((".npz", ".npy")) or head[:6] == b"\x93NUMPY":
        return "This is an array of NumPy's."
    if head[4:8] == b"TFL3":
        return "This is a TF Lite model already."
    if head.startswith(b"\x80"):
        return "This is a Python pickle, which kexport never opens."
    if head.startswith((b"<", b"version https://git-lfs")):
        return "This is a text, perhaps what a server answered instead of the file."
    return ""


def parse_json(text: str, what: str) -> Any:
    """``text`` as JSON, no deeper than :data:`MAX_JSON_DEPTH`.

    Raises:
        ModelReadError: it is no JSON.
        UnsafeModelError: it is nested deeper.
    """
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise UnsafeModelError(f"{what}: The JSON is nested deeper than any model.") from error
    except ValueError as error:
        raise ModelReadError(
            f"{what}: The JSON can't be read: {str(error)[:200]}.", hint=TRUNCATED_HINT
        ) from error
    level: list[Any] = [value]
    for _ in range(MAX_JSON_DEPTH):
        level = [inner for item in level for inner in _inside(item)]
        if not level:
            return value
    raise UnsafeModelError(f"{what}: The JSON is nested deeper than {MAX_JSON_DEPTH} levels.")


def _inside(item: Any) -> list[Any]:
    if isinstance(item, dict):
        return [value for value in item.values() if isinstance(value, dict | list)]
    return [value for value in item if isinstance(value, dict | list)] if isinstance(item, list) else []


def read_json(path: Path) -> Any:
    """The JSON file at ``path``."""
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise UnsafeModelError(
                f"{path}: The file has {path.stat().st_size:,} bytes, more than any model's JSON."
            )
        data = path.read_bytes()
    except OSError as error:
        raise ModelReadError(f"{path}: The file can't be read: {error.strerror or error}.") from error
    return parse_json(decoded(data, str(path)), str(path))
