"""Weights of Keras 3 in several files: a JSON that maps groups to files, and the HDF5 files beside it.

``ShardedH5IOStore`` in keras/src/saving/saving_lib.py, 3.10 to 3.15: ``{"metadata": …, "weight_map": {"/layers/dense/vars":
["model_00000.weights.h5"], …}}``; the variables of one layer may be in more files than one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from kexport.errors import ModelReadError, UnsafeModelError
from kexport.ir import Constant
from kexport.loading.context import shorten
from kexport.loading.files import read_json
from kexport.loading.hdf5 import Group, Store

_MAP = "weight_map"


def is_shard_map(record: object) -> bool:
    """Whether a JSON is the map of such weights."""
    return isinstance(record, Mapping) and isinstance(record.get(_MAP), Mapping)


def shard_files(path: Path) -> list[Path]:
    """The files that the map at ``path`` names, all of them beside it.

    Raises:
        ModelReadError: it is no such map, or one of the files is not there.
        UnsafeModelError: one would be elsewhere.
    """
    record = read_json(path)
    if not is_shard_map(record):
        raise ModelReadError(
            f"{path}: The file is no map of sharded weights: it has no {_MAP!r}.",
            hint="Give the file that save_weights(…, max_shard_size=…) was called with.",
        )
    names: dict[str, None] = {}
    for held in record[_MAP].values():
        for name in held if isinstance(held, list) else [held]:
            names[_checked(name, path)] = None
    files = [path.with_name(name) for name in names]
    missing = [file.name for file in files if not file.is_file()]
    if missing or not files:
        raise ModelReadError(
            f"{path}: The files with the weights stand beside the map. Received: a map of {len(files)} files, of which "
            f"{', '.join(missing[:4]) or 'none'} {'is' if len(missing) == 1 else 'are'} missing."
        )
    return files


def _checked(name: Any, path: Path) -> str:
    if not isinstance(name, str) or name != Path(name).name or name in {"", ".."} or "\\" in name:
        raise UnsafeModelError(f"{path}: A shard is a file beside the map. Received: {shorten(name)}")
    return name


@contextmanager
def shards(path: Path) -> Iterator[Group]:
    """The root group of all files that the map at ``path`` names, as one."""
    with ExitStack() as stack:
        stores = []
        for file in shard_files(path):
            store = Store(file, str(file))
            stack.callback(store.close)
            stores.append(store)
        yield _Together([store.root() for store in stores])


class _Together(Group):
    """A group whose members are spread over several files."""

    def __init__(self, parts: Sequence[Group]) -> None:
        self.parts = parts
        self.store, self.path = parts[0].store, parts[0].path

    def names(self) -> list[str]:
        """What is in the group, in any of the files."""
        return list(dict.fromkeys(name for part in self.parts for name in part.names()))

    def group(self, name: str) -> Group | None:
        """The group called ``name``, as far as each file has it."""
        found = [group for part in self.parts if (group := part.group(name)) is not None]
        return _Together(found) if found else None

    def constant(self, name: str) -> Constant:
        """The dataset called ``name``, from the file that has it."""
        head, _, rest = name.partition("/")
        if rest:
            inner = self.group(head)
            return (inner or self.parts[0]).constant(rest if inner else name)
        holder = next((part for part in self.parts if name in part.names()), self.parts[0])
        return holder.constant(name)

    def attribute(self, name: str) -> Any:
        """The attribute's value in the first file that has it."""
        return next((value for part in self.parts if (value := part.attribute(name)) is not None), None)
