"""Text in tensors: elements are bytes, as in TensorFlow; where somebody gives ``str``, its UTF-8."""

from __future__ import annotations

import numpy as np

from kexport.ir.graph import Array


def encoded(item: str | bytes) -> bytes:
    """The bytes of a text."""
    return item.encode() if isinstance(item, str) else item


def as_bytes(array: Array) -> Array:
    """An array of text, of whatever NumPy dtype, as objects of bytes."""
    found = np.empty(array.shape, object)
    found.reshape(-1)[:] = [encoded(item) for item in array.reshape(-1).tolist()]
    return found


def readable(array: Array) -> Array:
    """An array of text as NumPy's own ``str``, or as its bytes where one of them is no UTF-8: what an ``.npz`` holds."""
    items = as_bytes(array).reshape(-1).tolist()
    try:
        shown = np.asarray([item.decode() for item in items], np.str_)
    except UnicodeDecodeError:
        shown = np.asarray(items, np.bytes_)
    return shown.reshape(array.shape)
