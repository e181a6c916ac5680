"""Golden vectors and their file.

A golden file is an ``.npz``: ``inputs/<name>``, ``outputs/<name>`` and ``layers/<key>`` hold arrays whose first
dimension counts the samples; ``meta`` holds JSON text. Entries are stored uncompressed, with fixed dates and in the
order of the model, so that the same contents are the same bytes whatever zlib wrote them.
"""

from __future__ import annotations

import json
import os
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from kexport.errors import ModelReadError, UsageError
from kexport.ir import Array

FORMAT_VERSION = 1

#: A golden file that unpacks to more is refused: 4 GiB.
MAX_BYTES = 4 << 30
MAX_ENTRIES = 100_000

#: More than this is only reached by a zip made to do so, once there is enough of it to hurt.
MAX_RATIO = 200
FREE_BYTES = 256 << 20

#: What zipfile raises for a damaged archive, from its own reading, decoding and unpacking.
_ZIP_ERRORS = (
    *(zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, struct.error),
    *(EOFError, NotImplementedError, RuntimeError, ValueError, OverflowError),
)

_KINDS = "biufUS"
_GROUPS = ("inputs", "outputs", "layers")


@dataclass(frozen=True)
class Golden:
    """Inputs and the reference's outputs.

    Attributes:
        inputs, outputs: by Keras name, in the model's order; the first dimension counts the samples.
        layers: what layer calls computed, by the keys of ``Graph.layer_outputs``; empty unless recorded.
        meta: ``format`` (:data:`FORMAT_VERSION`), ``model_sha256``, ``keras`` and ``backend`` (versions as text),
            ``library``, ``seed``, ``recorder``; what is unknown is absent.
    """

    inputs: Mapping[str, Array]
    outputs: Mapping[str, Array]
    layers: Mapping[str, Array] = field(default_factory=dict)
    meta: Mapping[str, Any] = field(default_factory=dict)

    @property
    def samples(self) -> int:
        """How many samples there are."""
        return len(next(iter(self.inputs.values())))

    def renamed(self, inputs: Sequence[str], outputs: Sequence[str]) -> Golden:
        """The same vectors under a model's own names, in its order.

        Keras 1 and 2 count up the names of input layers that the file leaves out, so that a golden file recorded in
        another process may call them otherwise. Vectors of other names are taken by position: a single one, or
        several of which none has a name of the model's.

        Raises:
            UsageError: they are of another model.
        """
        return replace(
            self,
            inputs=_renamed(self.inputs, inputs, "inputs"),
            outputs=_renamed(self.outputs, outputs, "outputs"),
        )

    @property
    def computed_by(self) -> str:
        """What computed the outputs: ``Keras 3.15.1 (tensorflow 2.21.0)``."""
        library = {"tf_keras": "tf_keras"}.get(str(self.meta.get("library", "")), "Keras")
        backend = self.meta.get("backend")
        return f"{library} {self.meta.get('keras', 'of unknown version')}" + (
            f" ({backend})" if backend else ""
        )


def _renamed(arrays: Mapping[str, Array], names: Sequence[str], what: str) -> dict[str, Array]:
    if set(arrays) == set(names):
        return {name: arrays[name] for name in names}
    if len(arrays) != len(names) or (len(names) > 1 and set(arrays) & set(names)):
        raise UsageError(
            f"The golden vectors are of another model: its {what} are {', '.join(names)}. "
            f"Received: {', '.join(arrays)}"
        )
    return dict(zip(names, arrays.values(), strict=True))


def save_golden(golden: Golden, path: Path) -> None:
    """Write ``golden`` to ``path``, all or nothing; the same contents give the same bytes.

    Raises:
        OSError: the folder can't be written or the disk is full.
    """
    write_arrays(path, _entries(golden))


def _entries(golden: Golden) -> Iterator[tuple[str, Array]]:
    meta = {"format": FORMAT_VERSION, **golden.meta}
    yield "meta", np.array(json.dumps(meta, sort_keys=True))
    for group in _GROUPS:
        arrays: Mapping[str, Array] = getattr(golden, group)
        for name, array in arrays.items():
            yield f"{group}/{name}", array


def write_arrays(path: Path, entries: Iterator[tuple[str, Array]]) -> None:
    """Write an ``.npz`` of these entries, in order: beside ``path`` first, then moved there."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for entry, array in entries:
                info = zipfile.ZipInfo(f"{entry}.npy", date_time=(1980, 1, 1, 0, 0, 0))
                info.create_system = 3  # the same on Windows
                info.external_attr = 0o644 << 16
                with archive.open(info, "w", force_zip64=True) as stream:
                    np.lib.format.write_array(stream, np.asarray(array, order="C"), allow_pickle=False)
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def load_golden(path: Path) -> Golden:
    """Read a golden file. Nothing in it is executed, and its size is bounded.

    Raises:
        UsageError: there is no such file.
        ModelReadError: it is not a golden file, is damaged, or is larger than :data:`MAX_BYTES` unpacked.
    """
    arrays = read_arrays(path)
    meta = _meta(path, arrays.pop("meta", None))
    groups: dict[str, dict[str, Array]] = {group: {} for group in _GROUPS}
    for entry, array in arrays.items():
        group, _, name = entry.partition("/")
        if group not in groups or not name:
            raise _refused(path, f"Entries are meta, inputs/…, outputs/… and layers/…. Received: {entry!r}")
        groups[group][name] = array
    for group in ("inputs", "outputs"):
        if not groups[group]:
            raise _refused(path, f"A golden file has at least one entry {group}/<name>. Received: none")
    _check_samples(path, groups)
    return Golden(groups["inputs"], groups["outputs"], groups["layers"], meta)


def _meta(path: Path, stored: Array | None) -> dict[str, Any]:
    if stored is None or stored.shape != () or stored.dtype.kind not in "US":
        raise _refused(path, "It has no entry 'meta', so no recorder of kexport wrote it")
    text = stored.item()
    try:
        meta = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _refused(path, f"Its entry 'meta' is not JSON: {error}") from error
    if not isinstance(meta, dict) or meta.get("format") != FORMAT_VERSION:
        received = meta.get("format") if isinstance(meta, dict) else meta
        raise _refused(path, f"This kexport reads golden format {FORMAT_VERSION}. Received: {received!r:.80}")
    return meta


def _check_samples(path: Path, groups: Mapping[str, Mapping[str, Array]]) -> None:
    counts = {
        f"{group}/{name}": array.shape[0] if array.ndim else None
        for group, arrays in groups.items()
        for name, array in arrays.items()
    }
    if len(set(counts.values())) > 1 or None in counts.values() or 0 in counts.values():
        shown = ", ".join(f"{entry}: {count}" for entry, count in list(counts.items())[:8])
        raise _refused(
            path, f"Every entry's first dimension counts the same samples, at least one. Received: {shown}"
        )


def read_arrays(path: Path) -> dict[str, Array]:
    """The arrays of an ``.npz`` (or the one of an ``.npy``, under the name ``""``), in the file's order.

    Raises:
        UsageError: there is no such file.
        ModelReadError: it is damaged, too large, or holds pickled objects.
    """
    if not path.is_file():
        raise UsageError(f"There is no file {str(path)!r}.")
    try:
        with path.open("rb") as file:
            if file.read(6) == b"\x93NUMPY":
                file.seek(0)
                return {"": _read_array(path, "", file, path.stat().st_size)}
        with zipfile.ZipFile(path) as archive:
            return dict(_read_entries(path, archive))
    except _ZIP_ERRORS as error:
        raise _refused(path, f"It is not a whole .npz file ({error})") from error
    except OSError as error:
        raise _refused(path, f"It can't be read: {error.strerror or error}") from error


def _read_entries(path: Path, archive: zipfile.ZipFile) -> Iterator[tuple[str, Array]]:
    infos = archive.infolist()
    total = sum(info.file_size for info in infos)
    if (
        len(infos) > MAX_ENTRIES
        or total > MAX_BYTES
        or total > max(FREE_BYTES, MAX_RATIO * path.stat().st_size)
    ):
        raise _refused(
            path, f"It unpacks to {total:,} bytes in {len(infos):,} entries, which no golden file does"
        )
    seen: set[str] = set()
    for info in infos:
        name = info.filename.removesuffix(".npy")
        if name == info.filename or name in seen:
            raise _refused(path, f"Entries are .npy files, each once. Received: {info.filename!r}")
        seen.add(name)
        with archive.open(info) as stream:
            yield name, _read_array(path, name, stream, info.file_size)


def _read_array(path: Path, name: str, stream: IO[bytes], size: int) -> Array:
    """One ``.npy``, its size checked against its header before anything of that size is allocated."""
    try:
        shape, fortran, dtype = _read_header(stream)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError, EOFError) as error:
        raise _refused(path, f"Its entry {name!r} has no readable .npy header ({error})") from error
    if dtype.hasobject or dtype.kind not in _KINDS:
        raise _refused(
            path, f"Entries hold numbers, bools or text, never objects. Received: {name!r} of {dtype}"
        )
    count = 1
    for length in shape:
        count *= length
    if min(shape, default=1) < 0 or count * max(dtype.itemsize, 1) > size:
        raise _refused(path, f"Its entry {name!r} of shape {shape} and dtype {dtype} is cut short")
    data = bytearray(count * dtype.itemsize)
    if _fill(stream, memoryview(data)) != len(data):
        raise _refused(path, f"Its entry {name!r} is cut short")
    array: Array = np.ndarray(shape, dtype, data, order="F" if fortran else "C")
    return array.astype(dtype.newbyteorder("="), copy=False)


def _fill(stream: IO[bytes], buffer: memoryview) -> int:
    """Read until ``buffer`` is full or the stream ends; returns the bytes read."""
    filled = 0
    while filled < len(buffer):
        block = stream.read(min(len(buffer) - filled, 1 << 22))
        if not block:
            break
        buffer[filled : filled + len(block)] = block
        filled += len(block)
    return filled


def _read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(stream)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(stream)
    raise ValueError(f"unknown .npy version {version}")


def _refused(path: Path, why: str) -> ModelReadError:
    return ModelReadError(
        f"{str(path)!r} can't be read. {why}.",
        hint="Write a golden file with `kexport record MODEL`, or with record_model.py where the model was trained.",
    )
