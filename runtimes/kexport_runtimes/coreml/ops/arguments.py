"""How kernels read arguments."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kexport_runtimes.coreml.errors import ComputeError

Array = NDArray[Any]


def several(value: Any) -> list[Any]:
    """What takes several values, as a list; a program that gives it one gives no list."""
    return value if isinstance(value, list) else [value]


def ints(value: Any) -> list[int]:
    """Integers of a tensor, or of several scalars."""
    return [int(item) for item in np.asarray(value).reshape(-1)]


def flags(value: Any) -> list[bool]:
    """Truth values of a tensor, or of several scalars."""
    return [bool(item) for item in np.asarray(value).reshape(-1)]


def axis_of(value: Any, rank: int) -> int:
    """An axis within 0..rank-1.

    Raises:
        ComputeError: there is no such axis.
    """
    axis = int(value)
    if not -rank <= axis < rank:
        raise ComputeError(f"takes an axis of a tensor of rank {rank}. Received: {axis}")
    return axis % rank


def axes_of(value: Any, rank: int) -> tuple[int, ...]:
    """Axes within 0..rank-1; all where there are none given."""
    return tuple(range(rank)) if value is None else tuple(axis_of(axis, rank) for axis in ints(value))


def one_of(value: str, allowed: tuple[str, ...], what: str) -> str:
    """A word out of several.

    Raises:
        ComputeError: it is another one.
    """
    if value not in allowed:
        raise ComputeError(f"has {what} {', '.join(allowed)}. Received: {value!r}")
    return value
