"""Holds results against the types that a program declares for them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from kexport_runtimes.coreml.dtypes import STRING, DType
from kexport_runtimes.coreml.errors import ComputeError
from kexport_runtimes.coreml.program import (
    DictionaryType,
    ListType,
    StateType,
    TensorType,
    ValueType,
)
from kexport_runtimes.coreml.program_reader import MAX_ELEMENTS

#: float32 to the nearest values that fp16 has.
Rounding: TypeAlias = Callable[[NDArray[Any]], NDArray[Any]]


@dataclass
class TensorList:
    """A list as MIL's list operations see it.

    Attributes:
        elements: None for one that was not written yet.
        grows: whether writing beyond the end makes it longer.
        blank: what was not written yet: zeros; None where the elements' shape shows only when one is written.
    """

    elements: list[NDArray[Any] | None]
    grows: bool
    blank: NDArray[Any] | None = None


@dataclass
class State:
    """What lasts between predictions: one array, replaced by every write."""

    array: NDArray[Any] = field(repr=False)


def settled(value: Any, declared: ValueType, to_half: Rounding | None) -> Any:
    """The value in the form its declared type has at run time.

    Args:
        value: what a kernel computed.
        declared: what the program says of it.
        to_half: rounds what is declared fp16, such as :func:`rounded`; None leaves it as it is.

    Raises:
        ComputeError: it has another shape, or is of another kind, than declared.
    """
    if isinstance(declared, TensorType):
        return _tensor(value, declared, to_half)
    fits = {ListType: TensorList, StateType: State, DictionaryType: dict}.get(type(declared), tuple)
    if not isinstance(value, fits):
        raise ComputeError(f"is declared as {declared}. Computed: {type(value).__name__}")
    return value


def _tensor(value: Any, declared: TensorType, to_half: Rounding | None) -> Any:
    if declared.dtype.name == STRING:
        if not isinstance(value, str | np.ndarray):
            raise ComputeError(f"is declared as {declared}. Computed: {type(value).__name__}")
        return value
    array = np.asarray(value)
    if not agrees(array.shape, declared.shape):
        raise ComputeError(f"is declared as {declared}. Computed: {array.dtype}{array.shape}")
    if not _same_kind(array.dtype, declared.dtype):
        raise ComputeError(f"is declared as {declared}. Computed: {array.dtype}")
    if declared.dtype.name == "fp16" and to_half is not None:
        return to_half(array)
    return array.astype(declared.dtype.numpy, copy=False)


def agrees(shape: Sequence[int], declared: Sequence[int | None] | None) -> bool:
    """Whether a shape is one of those that are declared."""
    return declared is None or (
        len(shape) == len(declared)
        and all(size is None or size == found for found, size in zip(shape, declared, strict=True))
    )


def rounded(array: NDArray[Any]) -> NDArray[np.float32]:
    """The nearest values that fp16 has, as float32: ties go to even, what rounds beyond 65504 is infinite."""
    with np.errstate(over="ignore"):
        return array.astype(np.float16).astype(np.float32)


def checked_size(shape: Sequence[int]) -> tuple[int, ...]:
    """A shape that is about to be allocated.

    Raises:
        ComputeError: a dimension is negative, or there are more elements than a tensor may have.
    """
    sizes = tuple(int(size) for size in shape)
    if any(size < 0 for size in sizes) or math.prod(sizes) > MAX_ELEMENTS:
        raise ComputeError(f"makes a tensor of at most {MAX_ELEMENTS} elements. Received: shape {sizes}")
    return sizes


def _same_kind(found: np.dtype[Any], declared: DType) -> bool:
    if declared.is_float:
        return found.kind == "f"
    return (found.kind == "b") == (declared.name == "bool") and found.kind in "biu"
