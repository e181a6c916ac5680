"""Reading HDF5 as data: groups, attributes and datasets of the file itself, and nothing that a link points to elsewhere."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from kexport.errors import KexportError, ModelReadError, UnsafeModelError
from kexport.ir import Constant
from kexport.ir.graph import Array

#: The first bytes of an HDF5 file (HDF5 file format specification, II.A).
SIGNATURE = b"\x89HDF\r\n\x1a\n"

MAX_EXPANSION = 1100
"""Deflate can't pack better than 1:1032; whatever claims more holds nothing but a claim."""

FREE_BYTES = 1 << 24
"""Datasets up to 16 MB need not be stored in proportion (fill values take no room)."""

_SUPPORTED_KINDS = "fiub"


class Store:
    """An HDF5 file, or one inside a bigger file.

    Args:
        path: the file on disk that the bytes are in.
        label: what errors call it.
        open_file: gives a file object of just the HDF5 part, where that is not the whole file.
        base: the offset of the HDF5 part in ``path``; None when it is not there in plain bytes.
    """

    def __init__(
        self, path: Path, label: str, *, open_file: Callable[[], BinaryIO] | None = None, base: int | None = 0
    ) -> None:
        self.path = path
        self.label = label
        self._open_file = open_file
        self._base = base
        self._file: Any = None
        self.size = path.stat().st_size

    def file(self) -> Any:
        """The open ``h5py.File``; opened again when it was closed."""
        import h5py

        if not self._file:
            try:
                self._file = h5py.File(self._open_file() if self._open_file else self.path, "r")
            except (OSError, ValueError, RuntimeError, KeyError) as error:
                raise ModelReadError(
                    f"{self.label}: The HDF5 data can't be read: {_one_line(error)}."
                ) from error
        return self._file

    def close(self) -> None:
        """Close the handle; constants open the file again when they are read."""
        if self._file:
            self._file.close()
        self._file = None

    def root(self) -> Group:
        """The root group."""
        return Group(self, self.file().id, "")

    def error(self, problem: str) -> ModelReadError:
        """An error about this file, to raise."""
        return ModelReadError(f"{self.label}: {problem}.")

    def unsafe(self, problem: str) -> UnsafeModelError:
        """The same for what a model file may not ask for."""
        return UnsafeModelError(
            f"{self.label}: {problem}.",
            hint="A model file holds its own data. Save the model again with Keras, from a source that you trust.",
        )

    def constant(self, dataset: Any, name: str) -> Constant:
        """The dataset as a constant that reads it when asked."""
        shape = dataset.shape
        kind = dataset.dtype.kind
        if shape is None or len(shape) > 32:
            raise self.error(f"Dataset {name!r} has no shape")
        bfloat16 = _text(dataset.attrs.get("dtype")) == "bfloat16" or dataset.dtype.str == "|V2"
        if kind not in _SUPPORTED_KINDS and not bfloat16:
            raise self.error(f"Dataset {name!r} must hold numbers. Received: {dataset.dtype}")
        self._check_dataset(dataset, name)
        if bfloat16:
            return Constant.lazy("bfloat16", shape, lambda: _widened(self._read(name)))
        offset = dataset.id.get_offset()
        plain = np.dtype(dataset.dtype)
        dtype = plain.newbyteorder("=").name
        if offset is not None and self._base is not None and plain.kind != "b":
            return Constant.lazy(dtype, shape, _At(self, self._base + offset, plain, shape, name))
        return Constant.lazy(dtype, shape, lambda: self._read(name))

    def _check_dataset(self, dataset: Any, name: str) -> None:
        if dataset.is_virtual:
            raise self.unsafe(f"Dataset {name!r} is virtual: its contents would come from other files")
        if dataset.external:
            raise self.unsafe(f"Dataset {name!r} is stored in other files")
        declared = math.prod(dataset.shape) * dataset.dtype.itemsize
        stored = dataset.id.get_storage_size()
        if declared > FREE_BYTES and declared > MAX_EXPANSION * max(min(stored, self.size), 1):
            raise self.unsafe(f"Dataset {name!r} claims {declared:,} bytes and stores {stored:,}")

    def _read(self, name: str) -> Array:
        try:
            return np.asarray(self.file()[name][()])
        except KexportError:
            raise
        except (OSError, KeyError, ValueError, RuntimeError, TypeError, AttributeError) as error:
            raise self.error(f"Dataset {name!r} can't be read: {_one_line(error)}") from error


class _At:
    """Reads contiguous bytes straight from the file: HDF5's own path would cost more than the reading."""

    def __init__(
        self, store: Store, offset: int, dtype: np.dtype[Any], shape: tuple[int, ...], name: str
    ) -> None:
        self.store, self.offset, self.dtype, self.shape, self.name = store, offset, dtype, shape, name

    def __call__(self) -> Array:
        count = math.prod(self.shape)
        try:
            array: Array = np.fromfile(self.store.path, self.dtype, count, offset=self.offset)
        except OSError as error:
            raise self.store.error(f"Dataset {self.name!r} can't be read: {_one_line(error)}") from error
        if array.size != count:
            raise self.store.error(f"Dataset {self.name!r} ends after {array.size:,} of {count:,} elements")
        return array.reshape(self.shape)


class Group:
    """A group of a :class:`Store`; ``path`` is its name in the file."""

    def __init__(self, store: Store, gid: Any, path: str) -> None:
        self.store = store
        self.path = path
        self._gid = gid

    def names(self) -> list[str]:
        """What is in the group."""
        return [name.decode("utf-8", "replace") for name in self._guarded(lambda: list(self._gid))]

    def group(self, name: str) -> Group | None:
        """The group called ``name`` (which may be a path); None where there is none."""
        from h5py import h5g

        found = self._open(name)
        if found is None or not isinstance(found, h5g.GroupID):
            return None
        return Group(self.store, found, self._path_of(name))

    def constant(self, name: str) -> Constant:
        """The dataset called ``name`` (which may be a path).

        Raises:
            ModelReadError: there is none, or it is not one of numbers.
            UnsafeModelError: its contents are elsewhere, or are claimed to be far more than is stored.
        """
        import h5py
        from h5py import h5d

        found = self._open(name)
        path = self._path_of(name)
        if not isinstance(found, h5d.DatasetID):
            raise self.store.error(f"The file has no dataset {path!r}")
        made: Constant = self._guarded(lambda: self.store.constant(h5py.Dataset(found), path))
        return made

    def attribute(self, name: str) -> Any:
        """The attribute's value, bytes decoded; None where there is none."""
        import h5py
        from h5py import h5a

        def read() -> Any:
            if not h5a.exists(self._gid, name.encode()):
                return None
            attribute = h5a.open(self._gid, name.encode())
            if math.prod(attribute.shape) * attribute.dtype.itemsize > max(self.store.size, 1 << 16):
                raise self.store.unsafe(f"Attribute {name!r} of {self.path or '/'!r} is bigger than the file")
            return h5py.AttributeManager(_Holder(self._gid))[name]

        return self._guarded(read)

    def text(self, name: str) -> str:
        """An attribute that holds a text; ``""`` where there is none."""
        return _text(self.attribute(name))

    def texts(self, name: str) -> list[str]:
        """An attribute that holds a list of texts, which Keras cuts into ``name0``, ``name1``, … when it is long."""
        whole = self.attribute(name)
        if whole is None:
            parts: list[Array] = []
            while (part := self.attribute(f"{name}{len(parts)}")) is not None:
                parts.append(np.asarray(part).ravel())
            whole = [item for part in parts for item in part]
        return [_text(item) for item in np.asarray(whole, dtype=object).ravel()]

    def _path_of(self, name: str) -> str:
        return f"{self.path}/{name}" if self.path else name

    def _open(self, name: str) -> Any:
        """The object at ``name``, reached by hard links only."""
        from h5py import h5l, h5o

        def walk() -> Any:
            current = self._gid
            for part in name.split("/"):
                key = part.encode()
                if not part or part == ".":
                    continue
                if not hasattr(current, "links") or not current.links.exists(key):
                    return None
                kind = current.links.get_info(key).type
                if kind != h5l.TYPE_HARD:
                    what = "to another file" if kind == h5l.TYPE_EXTERNAL else "that is not a plain one"
                    raise self.store.unsafe(f"{self._path_of(name)!r} is a link {what}")
                current = h5o.open(current, key)
            return current

        return self._guarded(walk)

    def _guarded(self, read: Callable[[], Any]) -> Any:
        """``read()``, with whatever h5py raises about damaged files as one error."""
        try:
            return read()
        except KexportError:
            raise
        except (OSError, KeyError, ValueError, RuntimeError, TypeError, AttributeError, MemoryError) as error:
            raise self.store.error(f"{self.path or '/'!r} can't be read: {_one_line(error)}") from error


class _Holder:
    """What ``AttributeManager`` wants: something with an ``id``."""

    def __init__(self, gid: Any) -> None:
        self.id = gid


def _text(value: object) -> str:
    """A text that any h5py may have written: ``bytes``, ``str``, or one of them in an array."""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.ravel()[0]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else ""


def _widened(array: Array) -> Array:
    """bfloat16 bits as float32, whose upper half they are."""
    bits = array.view(np.uint16).astype(np.uint32) << 16
    return bits.view(np.float32)


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split()).rstrip(".")
    return text[:200] or type(error).__name__
