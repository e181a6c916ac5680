"""A checkpoint: a file of tensors, one after the other, and a table of where each one is (tensorflow/core/util/tensor_bundle)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from kexport.ir import Constant
from kexport_targets.saved_model import tensors
from kexport_targets.saved_model.checksum import crc32c, masked
from kexport_targets.saved_model.schema import BUNDLE_VERSION, FIELDS, TENSOR_TYPES
from kexport_targets.saved_model.table import write_table
from kexport_targets.wire import Message

#: The files' names begin with their folder's (``SAVED_MODEL_VARIABLES_FILENAME``, tensorflow/cc/saved_model/constants.h).
INDEX: Final = Path("variables") / "variables.index"
DATA: Final = Path("variables") / "variables.data-00000-of-00001"


def write_bundle(folder: Path, variables: Mapping[str, Constant]) -> tuple[Path, Path]:
    """Write tensors by their names, each read when its turn comes; the files' paths in ``folder``."""
    (folder / INDEX.parent).mkdir()
    entries = [(b"", _header().whole())]
    offset = 0
    with (folder / DATA).open("wb") as file:
        for name, constant in variables.items():
            data = tensors.contents(constant)
            file.write(data)
            entries.append((name.encode(), _entry(constant, offset, data).whole()))
            offset += len(data)
    with (folder / INDEX).open("wb") as file:
        write_table(file, sorted(entries))
    return INDEX, DATA


def _header() -> Message:
    """One file of data; little endian, which is what the field's absence says."""
    fields = FIELDS["BundleHeaderProto"]
    version = Message().integer(FIELDS["VersionDef"]["producer"], BUNDLE_VERSION)
    return Message().integer(fields["num_shards"], 1).message(fields["version"], version)


def _entry(constant: Constant, offset: int, data: bytes) -> Message:
    fields = FIELDS["BundleEntryProto"]
    message = Message().integer(fields["dtype"], TENSOR_TYPES[constant.dtype])
    message.message(fields["shape"], tensors.shape(constant.shape))
    message.integer(fields["offset"], offset).integer(fields["size"], len(data))
    return message.fixed32(fields["crc32c"], masked(crc32c(data)))
