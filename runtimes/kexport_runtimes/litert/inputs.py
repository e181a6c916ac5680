"""Holds the arrays that a caller gives against the signature of a file.

The engine itself would not: it resizes a fixed dimension as it does a dynamic one, and computes what it can.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: NumPy has no such dtype without ml_dtypes: float32 stands for it on either side.
BFLOAT16 = "bfloat16"


def checked(
    file: str, wanted: Mapping[str, Mapping[str, Any]], given: Mapping[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    """The inputs as arrays, in the signature's order.

    Args:
        file: names the artifact in messages.
        wanted: by input, the engine's details: ``dtype``, and ``shape_signature`` with -1 for a dynamic dimension.
        given: arrays by input name.

    Raises:
        ValueError: an input is missing, unknown, or of another type or shape than the signature has (float32 is rounded to
            bfloat16 where that is asked for).
    """
    missing = [name for name in wanted if name not in given]
    if missing:
        raise ValueError(
            f"{file} takes inputs {_names(wanted)}; {_names(missing)} is missing. Received: {_names(given)}"
        )
    unknown = [name for name in given if name not in wanted]
    if unknown:
        raise ValueError(f"{file} has no input {_names(unknown)}. It takes: {_names(wanted)}")
    return {name: _fitting(file, name, details, given[name]) for name, details in wanted.items()}


def _fitting(file: str, name: str, details: Mapping[str, Any], given: NDArray[Any]) -> NDArray[Any]:
    array = np.asarray(given)
    dtype = np.dtype(details["dtype"])
    if dtype.name == BFLOAT16 and array.dtype == np.float32:
        array = array.astype(dtype)
    # The engine calls strings `bytes_` and accepts any array of them, text as UTF-8.
    if not (array.dtype.kind in "SUO" if dtype.kind == "S" else array.dtype == dtype):
        expected = "strings" if dtype.kind == "S" else dtype.name
        raise ValueError(f"Input {name!r} of {file} is {expected}. Received: {array.dtype}")
    shape = [int(size) for size in details["shape_signature"]]
    fits = len(shape) == array.ndim and all(
        size in {-1, received} for size, received in zip(shape, array.shape, strict=True)
    )
    if not fits:
        raise ValueError(
            f"Input {name!r} of {file} has shape {_format(shape)}. Received: {_format(array.shape)}"
        )
    return array


def _format(shape: Iterable[int]) -> str:
    """``(?, 4)``: what is dynamic is a question mark."""
    return f"({', '.join('?' if size == -1 else str(size) for size in shape)})"


def _names(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names)) or "none"
