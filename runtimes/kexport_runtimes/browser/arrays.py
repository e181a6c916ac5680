"""Arrays as a bundle's model takes and gives them: bytes, little-endian."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BLOCK = re.compile(r'data-file="model\.json">([A-Za-z0-9+/=]*)<')


def read_description(artifact: Path) -> dict[str, Any]:
    """``model.json`` of a bundle, which lies beside its page or in it.

    Raises:
        RuntimeError: there is none, or it is damaged.
    """
    beside = artifact.parent / "model.json"
    try:
        if beside.exists():
            text = beside.read_text("utf-8")
        else:
            found = _BLOCK.search(artifact.read_text("utf-8"))
            if found is None:
                raise RuntimeError(f"{artifact} is not the page of a bundle: it has no model.json.")
            text = base64.b64decode(found.group(1)).decode()
        description: dict[str, Any] = json.loads(text)
    except (OSError, ValueError) as error:
        raise RuntimeError(f"{artifact} can't be loaded: {error}") from error
    return description


def encoded(
    file: str, ports: Sequence[Mapping[str, Any]], given: Mapping[str, NDArray[Any]]
) -> dict[str, bytes]:
    """The inputs' bytes by name.

    Raises:
        ValueError: an input is missing, unknown, or of another type or shape than the model's (float32 is rounded to bfloat16 where
            that is asked for).
    """
    names = [port["name"] for port in ports]
    missing = [name for name in names if name not in given]
    unknown = [name for name in given if name not in names]
    if missing or unknown:
        raise ValueError(f"{file} takes inputs {', '.join(names)}. Received: {', '.join(given) or 'none'}")
    return {port["name"]: _bytes(file, port, np.asarray(given[port["name"]])) for port in ports}


def _bytes(file: str, port: Mapping[str, Any], array: NDArray[Any]) -> bytes:
    name, dtype, shape = port["name"], port["dtype"], tuple(port["shape"])
    wanted = "float32" if dtype == "bfloat16" else dtype
    if array.dtype.name != wanted:
        raise ValueError(f"Input {name!r} of {file} is {dtype}. Received: {array.dtype}")
    if array.shape != shape:
        raise ValueError(f"Input {name!r} of {file} has shape {shape}. Received: {array.shape}")
    array = np.ascontiguousarray(array)
    if dtype == "bfloat16":
        bits = array.view(np.uint32)
        rounded = np.where(np.isnan(array), bits | 0x400000, bits + (0x7FFF + (bits >> 16 & 1)))
        array = (rounded >> 16).astype(np.uint16)
    return array.tobytes()


def decoded(ports: Sequence[Mapping[str, Any]], found: Mapping[str, bytes]) -> dict[str, NDArray[Any]]:
    """The outputs by name; bfloat16 as float32, which NumPy has.

    Raises:
        RuntimeError: there are more or fewer bytes than the type has.
    """
    return {port["name"]: _array(port, found[port["name"]]) for port in ports}


def _array(port: Mapping[str, Any], raw: bytes) -> NDArray[Any]:
    dtype, shape = port["dtype"], tuple(port["shape"])
    stored = np.dtype(np.uint16 if dtype == "bfloat16" else dtype)
    if len(raw) != stored.itemsize * math.prod(shape):
        raise RuntimeError(f"Output {port['name']!r} has {len(raw)} bytes, which {dtype}{shape} has not.")
    array = np.frombuffer(raw, stored).reshape(shape)
    return (array.astype(np.uint32) << 16).view(np.float32) if dtype == "bfloat16" else array.copy()
