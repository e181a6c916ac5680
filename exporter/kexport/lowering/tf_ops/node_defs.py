"""Attributes of a NodeDef as protobuf writes them in JSON."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any


def attribute(item: Any) -> Any:
    """An AttrValue as protobuf writes it in JSON (tensorflow/core/framework/attr_value.proto): 64-bit integers are text, bytes
    base64; None where it holds what no operator here has (shapes, tensors)."""
    if not isinstance(item, Mapping) or len(item) != 1:
        return None
    ((kind, value),) = item.items()
    match kind:
        case "b":
            return bool(value)
        case "i":
            return int(value)
        case "f":
            return float(value)
        case "s":
            return _text(value)
        case "type":
            return _dtype(str(value))
        case "list":
            parts = dict(value) if isinstance(value, Mapping) else {}
            return [attribute({key: part}) for key, several in parts.items() for part in several]
    return None


def _text(value: object) -> str | None:
    try:
        return base64.b64decode(str(value), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return None


def _dtype(name: str) -> str:
    short = name.removeprefix("DT_").lower()
    return {"float": "float32", "double": "float64", "half": "float16"}.get(short, short)
