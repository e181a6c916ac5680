"""Branches, loops and lists. Source: coremltools 9.0, mil/ops/defs/iOS15/control_flow.py."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kexport_runtimes.coreml import dtypes
from kexport_runtimes.coreml.errors import ComputeError, PackageError
from kexport_runtimes.coreml.ops.arguments import ints, several
from kexport_runtimes.coreml.registry import Call, op
from kexport_runtimes.coreml.values import TensorList, checked_size

Array = NDArray[Any]

#: Turns of one loop: a program that never ends is stopped there.
MAX_TURNS = 1_000_000

#: Elements of a list that grows.
_MAX_LENGTH = 1_000_000


@op("cond")
def cond(call: Call, pred: Array) -> tuple[Any, ...]:
    """The first block's values where the predicate is true, the second's elsewhere."""
    _check_blocks(call)
    return tuple(call.run_block(call.operation.blocks[0 if bool(pred) else 1], []))


@op("while_loop")
def while_loop(call: Call, loop_vars: Any) -> tuple[Any, ...]:
    """The second block's values, again and again, as long as the first one's is true."""
    _check_blocks(call)
    condition, body = call.operation.blocks
    values = several(loop_vars)
    for _ in range(MAX_TURNS):
        (goes_on,) = call.run_block(condition, values)
        if not bool(goes_on):
            return tuple(values)
        values = call.run_block(body, values)
    raise ComputeError(f"ends after at most {MAX_TURNS} turns. It did not")


def _check_blocks(call: Call) -> None:
    if len(call.operation.blocks) != 2:
        raise PackageError(f"has two blocks. Received: {len(call.operation.blocks)}")


@op("make_list")
def make_list(
    elem_shape: Any = None, init_length: Any = 1, dynamic_length: Any = True, dtype: str = "fp32"
) -> TensorList:
    """A list with nothing in it yet; text in ``elem_shape`` is a size known later."""
    sizes = [] if elem_shape is None else list(np.atleast_1d(np.asarray(elem_shape, object)).reshape(-1))
    blank = None
    if elem_shape is not None and not any(isinstance(size, str) for size in sizes):
        blank = np.zeros(checked_size(ints(sizes)), dtypes.by_name(dtype).numpy)
    return TensorList([None] * _length(int(init_length)), grows=bool(dynamic_length), blank=blank)


@op("list_length")
def list_length(ls: TensorList) -> Array:
    """How many elements there are."""
    return np.array(len(ls.elements), np.int32)


@op("list_write")
def list_write(ls: TensorList, index: Any, value: Array) -> TensorList:
    """The list with another element; one that grows does so where it must."""
    return _written(ls, [int(index)], [value])


@op("list_scatter")
def list_scatter(ls: TensorList, indices: Any, value: Array) -> TensorList:
    """The list with several other elements."""
    return _written(ls, ints(indices), list(value))


@op("list_read")
def list_read(ls: TensorList, index: Any) -> Array:
    """One element."""
    return _element(ls, int(index))


@op("list_gather")
def list_gather(ls: TensorList, indices: Any) -> Array:
    """Several elements, along a new first axis."""
    found = [_element(ls, index) for index in ints(indices)]
    checked_size([sum(element.size for element in found)])
    return np.stack(found)


def _written(ls: TensorList, indices: list[int], values: list[Array]) -> TensorList:
    elements = list(ls.elements)
    if len(indices) != len(values):
        raise ComputeError(f"writes an element an index. Received: {len(values)}, {len(indices)}")
    for index, value in zip(indices, values, strict=True):
        if index >= len(elements) and ls.grows:
            elements.extend([None] * (_length(index + 1) - len(elements)))
        if not 0 <= index < len(elements):
            raise ComputeError(f"writes within {len(elements)} elements. Received: {index}")
        elements[index] = value
    return TensorList(elements, ls.grows, ls.blank)


def _element(ls: TensorList, index: int) -> Array:
    """An element; zeros where nothing was written."""
    if not 0 <= index < len(ls.elements):
        raise ComputeError(f"reads within {len(ls.elements)} elements. Received: {index}")
    written = (element for element in ls.elements if element is not None)
    found = ls.elements[index]
    if found is not None:
        return found
    example = ls.blank if ls.blank is not None else next(written, None)
    if example is None:
        raise ComputeError(
            f"reads an element whose shape is known. Received: {index}, of a list that nothing was written to"
        )
    return np.zeros_like(example)


def _length(length: int) -> int:
    if not 0 <= length <= _MAX_LENGTH:
        raise ComputeError(f"has a list of at most {_MAX_LENGTH} elements. Received: {length}")
    return length
