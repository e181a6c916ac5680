"""What the page and this process send each other: JSON and arrays, as bytes.

Four bytes (little-endian) with the length of the JSON text, the text, then the arrays' bytes in the order of its ``arrays``, a list
of ``name`` and ``bytes``.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any


def pack(message: Mapping[str, Any], arrays: Mapping[str, bytes]) -> bytes:
    """A frame."""
    listed = [{"name": name, "bytes": len(raw)} for name, raw in arrays.items()]
    text = json.dumps({**message, "arrays": listed}).encode()
    return b"".join([struct.pack("<I", len(text)), text, *arrays.values()])


def unpack(frame: bytes) -> tuple[dict[str, Any], dict[str, bytes]]:
    """What a frame holds.

    Raises:
        ValueError: it is none.
    """
    if len(frame) < 4:
        raise ValueError("a frame of less than 4 bytes")
    (length,) = struct.unpack_from("<I", frame)
    message: dict[str, Any] = json.loads(frame[4 : 4 + length])
    arrays, offset = {}, 4 + length
    for entry in message.pop("arrays"):
        arrays[entry["name"]] = frame[offset : offset + entry["bytes"]]
        offset += entry["bytes"]
    if offset != len(frame):
        raise ValueError(f"a frame of {len(frame)} bytes, {offset} are told of")
    return message, arrays
