"""Holds the arrays that a caller gives against the inputs of a model; the same words for every engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: NumPy has no such dtype without ml_dtypes: float32 stands for it on either side.
BFLOAT16 = "bfloat16"

STRING = "string"


@dataclass(frozen=True)
class Input:
    """What a model takes: a dtype by NumPy's name, ``bfloat16`` or ``string``; lengths, None for those that are open."""

    dtype: str
    shape: tuple[int | None, ...]


def checked(
    file: str, wanted: Mapping[str, Input], given: Mapping[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    """The arrays in the model's order, as they were given.

    Args:
        file: names the artifact in messages.
        wanted: the inputs by name.
        given: arrays by input name. ``bfloat16``: of that or of float32. ``string``: of ``str``, ``bytes`` or objects of these.

    Raises:
        ValueError: one is missing, unknown, or of another type or shape.
    """
    missing = [name for name in wanted if name not in given]
    if missing:
        raise ValueError(
            f"{file} takes inputs {_names(wanted)}; {_names(missing)} is missing. Received: {_names(given)}"
        )
    unknown = [name for name in given if name not in wanted]
    if unknown:
        raise ValueError(f"{file} has no input {_names(unknown)}. It takes: {_names(wanted)}")
    return {name: _fitting(file, name, one, np.asarray(given[name])) for name, one in wanted.items()}


def _fitting(file: str, name: str, wanted: Input, array: NDArray[Any]) -> NDArray[Any]:
    if not _is_of(wanted.dtype, array):
        said = "strings" if wanted.dtype == STRING else wanted.dtype
        raise ValueError(f"Input {name!r} of {file} is {said}. Received: {array.dtype}")
    fits = len(wanted.shape) == array.ndim and all(
        size is None or size == received for size, received in zip(wanted.shape, array.shape, strict=True)
    )
    if not fits:
        raise ValueError(
            f"Input {name!r} of {file} has shape {_format(wanted.shape)}. Received: {_format(array.shape)}"
        )
    return array


def _is_of(dtype: str, array: NDArray[Any]) -> bool:
    if dtype == STRING:
        return array.dtype.kind in "SUO"
    return array.dtype.name == dtype or (dtype == BFLOAT16 and array.dtype == np.float32)


def _format(shape: Sequence[int | None]) -> str:
    """``(?, 4)``: what is open is a question mark."""
    return f"({', '.join('?' if size is None else str(size) for size in shape)})"


def _names(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names)) or "none"
