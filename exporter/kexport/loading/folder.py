"""A ``.keras`` model as a folder: what ``model.save(path, zipped=False)`` writes, or an unpacked archive."""

from __future__ import annotations

from pathlib import Path

from kexport.errors import ModelReadError, UnsafeModelError
from kexport.loading.archive import CONFIG, MAX_JSON_BYTES, WEIGHTS, decoded
from kexport.loading.hdf5 import Store


def is_keras_folder(path: Path) -> bool:
    """Whether ``path`` is such a folder."""
    return path.is_dir() and (path / CONFIG).is_file()


class Folder:
    """The same as :class:`~kexport.loading.archive.Archive`, unpacked."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def has(self, name: str) -> bool:
        """Whether the folder has this file."""
        return (self.path / name).is_file()

    def json_text(self, name: str) -> str:
        """The text of a JSON or text file."""
        file = self.path / name
        try:
            size = file.stat().st_size
            if size > MAX_JSON_BYTES:
                raise UnsafeModelError(f"{file}: The file has {size:,} bytes, more than any model's.")
            return decoded(file.read_bytes(), str(file))
        except OSError as error:
            raise ModelReadError(f"{file}: The file can't be read: {error.strerror or error}.") from error

    def weights(self) -> Store:
        """The weights file."""
        file = self.path / WEIGHTS
        return Store(file, str(file))
