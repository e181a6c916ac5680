"""Requests that TF Serving sends to itself before it says that a model is available, so that nobody's first one is slow.

``assets.extra/tf_serving_warmup_requests`` holds records (``tensorflow_serving/g3doc/saved_model_warmup.md``). One that fails keeps the
model from being served, so that they are of the signature's own types.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from kexport.contracts import Signature
from kexport.ir import Array, Constant
from kexport_targets.saved_model import tensors
from kexport_targets.saved_model.checksum import crc32c, masked
from kexport_targets.saved_model.schema import FIELDS
from kexport_targets.wire import Message

FILE: Final = Path("assets.extra") / "tf_serving_warmup_requests"

#: Samples of a request.
_MOST: Final = 16


def requests(
    signature: Signature, inputs: Mapping[str, Array], images: Mapping[str, Any] | None
) -> Iterator[bytes]:
    """The records' contents, PredictionLogs: requests of one sample and of several, or of the signature's own batch, and where there
    is a signature for encoded images, one of those.

    Args:
        signature: the model's own.
        inputs: arrays of its types, one a sample in the first dimension.
        images: the signature that takes encoded images (``ImageSignature.described``).
    """
    batch = signature.inputs[0].type.shape[0]
    sizes = [batch] if isinstance(batch, int) else sorted({1, min(_MOST, len(next(iter(inputs.values()))))})
    for size in sizes:
        sample = {
            port.name: _tensor(port.type.dtype, _rows(inputs[port.name], size)) for port in signature.inputs
        }
        yield _log(signature.name, sample).whole()
        if images is not None and size == sizes[0]:
            del sample[images["input_name"]]
            encoded = tensors.texts(
                [_png(images["height"], images["width"], images["channels"])] * size, (size,)
            )
            yield _log(images["name"], {**sample, images["key"]: encoded}).whole()


def write_records(path: Path, records: Iterator[bytes]) -> None:
    """Write a TFRecord file (tensorflow/core/lib/io/record_writer.h): length, its checksum, contents, their checksum."""
    path.parent.mkdir()
    with path.open("wb") as file:
        for record in records:
            length = struct.pack("<Q", len(record))
            file.write(length + struct.pack("<I", masked(crc32c(length))))
            file.write(record + struct.pack("<I", masked(crc32c(record))))


def _rows(array: Array, size: int) -> Array:
    """``size`` of them, the last one again and again where there are fewer."""
    return array[np.minimum(np.arange(size), len(array) - 1)]


def _tensor(dtype: str, array: Array) -> Message:
    return tensors.tensor(Constant.of(array, dtype))


def _log(signature: str, inputs: Mapping[str, Message]) -> Message:
    fields = FIELDS["PredictRequest"]
    spec = Message().text(FIELDS["ModelSpec"]["signature_name"], signature)
    request = Message().message(fields["model_spec"], spec)
    for name, tensor in inputs.items():
        entry = Message().text(FIELDS["Entry"]["key"], name).message(FIELDS["Entry"]["value"], tensor)
        request.message(fields["inputs"], entry)
    log = Message().message(FIELDS["PredictLog"]["request"], request)
    return Message().message(FIELDS["PredictionLog"]["predict_log"], log)


def _png(height: int, width: int, channels: int) -> bytes:
    """A ramp of greys (PNG, third edition). It is not compressed: the same bytes, whatever zlib there is."""
    kind = {1: 0, 3: 2, 4: 6}[channels]
    ramp = np.arange(height * width * channels, dtype=np.uint32) * 255 // (height * width * channels)
    rows = np.concatenate(
        [np.zeros((height, 1), np.uint8), ramp.astype(np.uint8).reshape(height, -1)], axis=1
    )
    pixels = rows.tobytes()
    parts = [pixels[start : start + 0xFFFF] for start in range(0, len(pixels), 0xFFFF)]
    stored = b"".join(
        struct.pack("<BHH", index == len(parts) - 1, len(part), len(part) ^ 0xFFFF) + part
        for index, part in enumerate(parts)
    )
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)),
        (b"IDAT", b"\x78\x01" + stored + struct.pack(">I", zlib.adler32(pixels))),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
