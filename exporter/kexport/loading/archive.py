"""The ``.keras`` zip: ``config.json``, ``metadata.json`` and ``model.weights.h5``."""

from __future__ import annotations

import io
import tempfile
import weakref
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from kexport.errors import ModelReadError, UnsafeModelError
from kexport.loading.hdf5 import MAX_EXPANSION, SIGNATURE, Store

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"

PICKLED_WEIGHTS = "model.weights.npz"
"""What Keras writes with ``weights_format="npz"``: object arrays (``NpzIOStore``, keras/src/saving/saving_lib.py, 3.15)."""

MAX_JSON_BYTES = 1 << 28
"""A config of 5,000 layers is about 10 MB."""

_MAX_MEMBERS = 100_000
_CHUNK = 1 << 20
_SPOOL_IN_MEMORY = 1 << 24

#: What zipfile and zlib raise for members that they can't unpack.
_UNREADABLE = (
    zipfile.BadZipFile,
    OSError,
    ValueError,
    NotImplementedError,
    RuntimeError,
    EOFError,
    zlib.error,
)


class Contents(Protocol):
    """What a ``.keras`` model holds, whether it is an archive or a folder."""

    def has(self, name: str) -> bool:
        """Whether there is a file of this name."""
        ...

    def json_text(self, name: str) -> str:
        """The text of a file."""
        ...

    def weights(self) -> Store:
        """The weights file."""
        ...


class Archive:
    """A ``.keras`` file whose table of contents has been checked.

    Raises:
        ModelReadError: it is no readable zip.
        UnsafeModelError: names that leave the archive or stand twice, or more data than was ever packed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
            members = self._zip.infolist()
        except (
            zipfile.BadZipFile,
            OSError,
            ValueError,
            NotImplementedError,
            RuntimeError,
            UnicodeError,
        ) as error:
            raise ModelReadError(
                f"{path}: The .keras archive can't be read: {error}.", hint=TRUNCATED_HINT
            ) from error
        self._check(members)

    def _check(self, members: list[zipfile.ZipInfo]) -> None:
        if len(members) > _MAX_MEMBERS:
            raise UnsafeModelError(f"{self.path}: The archive has {len(members):,} members.")
        seen: set[str] = set()
        for member in members:
            name = member.filename
            parts = name.replace("\\", "/").split("/")
            if ".." in parts or name.startswith(("/", "\\")) or ":" in parts[0]:
                raise UnsafeModelError(
                    f"{self.path}: The archive has a member outside itself. Received: {name[:120]!r}."
                )
            if name in seen:
                raise UnsafeModelError(f"{self.path}: The archive has two members called {name[:120]!r}.")
            seen.add(name)
            if member.file_size > MAX_EXPANSION * max(member.compress_size, 64):
                raise UnsafeModelError(
                    f"{self.path}: Member {name[:120]!r} claims {member.file_size:,} bytes and stores {member.compress_size:,}."
                )

    def has(self, name: str) -> bool:
        """Whether the archive has this member."""
        return name in self._zip.NameToInfo

    def json_text(self, name: str) -> str:
        """The text of a JSON member."""
        if not self.has(name):
            raise ModelReadError(f"{self.path}: The archive has no {name!r}, so it is not a Keras model.")
        size = self._zip.getinfo(name).file_size
        if size > MAX_JSON_BYTES:
            raise UnsafeModelError(f"{self.path}: {name!r} has {size:,} bytes, more than any model's.")
        stream = io.BytesIO()
        self._copy(name, stream)
        return decoded(stream.getvalue(), f"{self.path}: {name!r}")

    def weights(self) -> Store:
        """The weights file; read in place where the archive stores it as it is, which is how Keras writes."""
        member = self._zip.getinfo(WEIGHTS)
        label = f"{self.path} ({WEIGHTS})"
        if member.compress_type == zipfile.ZIP_STORED:
            start = self._data_offset(member)
            size = member.file_size
            if start + size > self.path.stat().st_size:
                raise ModelReadError(
                    f"{self.path}: The archive ends within {WEIGHTS!r}.", hint=TRUNCATED_HINT
                )
            path = self.path
            self._check_sum(member, start)
            return Store(path, label, open_file=lambda: cast(BinaryIO, Window(path, start, size)), base=start)
        self._check_packed(label)
        spool = cast(BinaryIO, tempfile.SpooledTemporaryFile(max_size=_SPOOL_IN_MEMORY))  # noqa: SIM115  lives as long as the store
        store = Store(self.path, label, open_file=lambda: spool, base=None)
        weakref.finalize(store, spool.close)
        self._copy(WEIGHTS, spool)
        return store

    def _check_sum(self, member: zipfile.ZipInfo, start: int) -> None:
        """Hold the weights, which are read in place, against the archive's CRC-32."""
        left, found = member.file_size, 0
        with self.path.open("rb") as file:
            file.seek(start)
            while left > 0 and (chunk := file.read(min(_CHUNK, left))):
                found = zlib.crc32(chunk, found)
                left -= len(chunk)
        if found != member.CRC:
            raise ModelReadError(
                f"{self.path}: {WEIGHTS!r} is damaged: its CRC-32 is not the archive's.", hint=TRUNCATED_HINT
            )

    def _check_packed(self, label: str) -> None:
        """Look at the first bytes of compressed weights before all of them are unpacked."""
        try:
            with self._zip.open(WEIGHTS) as stream:
                head = stream.read(len(SIGNATURE))
        except _UNREADABLE as error:
            raise ModelReadError(f"{label} can't be unpacked: {error}.", hint=TRUNCATED_HINT) from error
        if head != SIGNATURE:
            raise ModelReadError(f"{label} is not HDF5 data. Received: {head!r}", hint=TRUNCATED_HINT)

    def _data_offset(self, member: zipfile.ZipInfo) -> int:
        """Where the member's bytes begin: after its local header (APPNOTE.TXT 4.3.7), which has lengths of its own."""
        with self.path.open("rb") as file:
            file.seek(member.header_offset)
            header = file.read(30)
        if len(header) != 30 or header[:4] != b"PK\x03\x04":
            raise ModelReadError(f"{self.path}: The header of {WEIGHTS!r} is damaged.", hint=TRUNCATED_HINT)
        return (
            member.header_offset
            + 30
            + int.from_bytes(header[26:28], "little")
            + int.from_bytes(header[28:30], "little")
        )

    def _copy(self, name: str, to: BinaryIO | io.BytesIO) -> None:
        """Unpack a member, no further than it says it is."""
        left = self._zip.getinfo(name).file_size
        try:
            with self._zip.open(name) as stream:
                while left > 0 and (chunk := stream.read(min(_CHUNK, left))):
                    to.write(chunk)
                    left -= len(chunk)
        except _UNREADABLE as error:
            raise ModelReadError(
                f"{self.path}: {name!r} can't be unpacked: {error}.", hint=TRUNCATED_HINT
            ) from error
        to.seek(0)


TRUNCATED_HINT = "The file is incomplete or damaged; copy it again, or save the model again."


def decoded(data: bytes, what: str) -> str:
    """UTF-8 text.

    Raises:
        ModelReadError: it is not.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ModelReadError(f"{what} is not UTF-8 text: {error.reason} at byte {error.start}.") from error


class Window(io.RawIOBase):
    """A part of a file as a file of its own: seekable, read-only."""

    def __init__(self, path: Path, start: int, size: int) -> None:
        super().__init__()
        self._file = path.open("rb")
        self._start, self._size, self._at = start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        count = max(0, min(len(view), self._size - self._at))
        self._file.seek(self._start + self._at)
        read = self._file.readinto(view[:count])
        self._at += read
        return read

    def close(self) -> None:
        self._file.close()
        super().close()
