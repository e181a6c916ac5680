"""What the worker and its caller say to one another: frames of a JSON object and arrays.

A frame is the object's length and its text, then the arrays' length and an .npz of them; lengths are 8 bytes, the lowest first. The
object's ``arrays`` are the arrays' names, which an .npz can't hold all.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray


def send(stream: IO[bytes], message: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a frame."""
    text = json.dumps({**message, "arrays": [*arrays]}).encode()
    packed = io.BytesIO()
    np.savez(packed, *arrays.values())
    for part in (text, packed.getvalue()):
        stream.write(len(part).to_bytes(8, "little"))
        stream.write(part)
    stream.flush()


def receive(stream: IO[bytes]) -> tuple[dict[str, Any], dict[str, NDArray[Any]]] | None:
    """Read a frame; None where the other side has gone."""
    parts = []
    for _ in range(2):
        head = stream.read(8)
        if len(head) < 8:
            return None
        size = int.from_bytes(head, "little")
        part = stream.read(size)
        if len(part) < size:
            return None
        parts.append(part)
    message: dict[str, Any] = json.loads(parts[0])
    with np.load(io.BytesIO(parts[1]), allow_pickle=False) as packed:
        arrays = [packed[f"arr_{index}"] for index in range(len(message["arrays"]))]
    return message, dict(zip(message["arrays"], arrays, strict=True))
