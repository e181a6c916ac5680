"""Lengths that are open while a call is traced.

Code asks a tensor for its shape and computes with what it gets: ``ops.reshape(x, (ops.shape(x)[0], -1))``. So a call on a tensor of
open length is traced at several lengths. What differs between the traces must be a sum of multiples of the lengths, and stands for
that sum from then on; anything else that differs is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from kexport.ir import Array, Constant, Dim, TensorType, dims
from kexport.nested import leaves, mapped

#: Lengths that models hardly have themselves, so that windows and factors divide them alike.
_FIRST, _STEP = 240, 240


_IRREGULAR = "an array that it computes with depends on an open length"


class LengthError(Exception):
    """What a call computes depends on an open length in a way that a graph can't hold."""


def symbols_of(item: Any) -> list[str]:
    """The open lengths of the tensors in a call, in the order of their names."""
    types = (leaf for leaf in leaves(item) if isinstance(leaf, TensorType))
    return sorted({name for type_ in types for name in dims.symbols(type_.shape)})


def at(item: Any, lengths: Mapping[str, int]) -> Any:
    """The call with its open lengths set."""

    def fixed(leaf: Any) -> Any:
        if not isinstance(leaf, TensorType):
            return leaf
        return TensorType(leaf.dtype, tuple(dims.evaluate(dim, lengths) for dim in leaf.shape))

    return mapped(fixed, item)


def traced_at(
    symbols: Sequence[str],
    trace: Callable[[Mapping[str, int]], Mapping[str, Any]],
    constant: Callable[[str], Constant],
) -> dict[str, Any]:
    """The trace for any lengths.

    Args:
        symbols: the open lengths.
        trace: the trace at given lengths.
        constant: the constant that a trace calls by a key.

    Raises:
        LengthError: there is none.
    """
    first = {name: _FIRST + 24 * index for index, name in enumerate(symbols)}
    points = [first, *({**first, name: first[name] + _STEP} for name in symbols)]
    # One point more, at which everything is to be what the others say it is.
    points.append({name: length + 2 * _STEP for name, length in first.items()})
    merged: dict[str, Any] = _Merge(symbols, points, constant).of([trace(point) for point in points], "")
    return merged


class _Merge:
    def __init__(
        self,
        symbols: Sequence[str],
        points: Sequence[Mapping[str, int]],
        constant: Callable[[str], Constant],
    ) -> None:
        self._symbols, self._points, self._constant = symbols, points, constant

    def of(self, traces: Sequence[Any], where: str) -> Any:
        """What the traces have in common."""
        first = traces[0]
        if any(type(other) is not type(first) for other in traces):
            raise self._error(where)
        if isinstance(first, Mapping):
            if any(list(other) != list(first) for other in traces):
                raise self._error(where)
            if first.get("class_name") == "__weight__":
                return self._array([other["config"] for other in traces])
            if first.get("class_name") == "__numpy__":
                return first if all(other == first for other in traces) else self._number(traces)
            return {key: self.of([other[key] for other in traces], str(key)) for key in first}
        if isinstance(first, list):
            if any(len(other) != len(first) for other in traces):
                raise self._error(where)
            return [self.of([other[index] for other in traces], where) for index in range(len(first))]
        if all(other == first for other in traces):
            return first
        if isinstance(first, int) and not isinstance(first, bool):
            return self._length(traces, where)
        raise self._error(where)

    def _length(self, found: Sequence[int], where: str) -> Dim:
        """The sum of multiples of the lengths that is ``found`` at the points."""
        total: Dim = found[0]
        for name, value in zip(self._symbols, found[1:], strict=False):
            factor, rest = divmod(value - found[0], _STEP)
            if rest:
                raise self._error(where)
            length = dims.subtract(dims.symbol(name), self._points[0][name])
            total = dims.add(total, dims.multiply(factor, length))
        if dims.evaluate(total, self._points[-1]) != found[-1]:
            raise self._error(where)
        return total

    def _number(self, traces: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """A length that code computes with."""
        found = [trace["config"]["value"] for trace in traces]
        if any(isinstance(value, list) or value != int(value) for value in found):
            raise LengthError("a number that it computes with depends on an open length")
        dim = self._length([int(value) for value in found], "a number that it computes with")
        return {"class_name": "__length__", "config": {"dim": dim, "dtype": traces[0]["config"]["dtype"]}}

    def _array(self, keys: Sequence[str]) -> dict[str, Any]:
        """A constant that is the same in all traces, or as long as an open length and regular."""
        constants = {key: self._constant(key) for key in keys}
        first = constants[keys[0]]
        if all(_equal(constants[key], first) for key in set(keys[1:]) - {keys[0]}):
            return {"class_name": "__weight__", "config": keys[0]}
        found = [constants[key] for key in keys]
        if any(len(other.shape) != len(first.shape) or other.dtype != first.dtype for other in found):
            raise LengthError(_IRREGULAR)
        shape = tuple(self.of([other.shape[axis] for other in found], "") for axis in range(len(first.shape)))
        arrays = [other.numpy() for other in found]
        number = arrays[0].flat[0].item()
        counted = all(_counts(array) for array in arrays)
        if not counted and not all((array == number).all() for array in arrays):
            raise LengthError(_IRREGULAR)
        config = {
            "number": 1 if counted else number,
            "dtype": first.dtype,
            "shape": shape,
            "counted": counted,
        }
        return {"class_name": "__filled__", "config": config}

    @staticmethod
    def _error(where: str) -> LengthError:
        return LengthError(
            f"what it computes depends on an open length{f' ({where})' if where else ''} in a way that can't be kept open"
        )


def _equal(one: Constant, other: Constant) -> bool:
    same = (one.dtype, one.shape) == (other.dtype, other.shape)
    return same and np.array_equal(one.numpy(), other.numpy())


def _counts(array: Array) -> bool:
    """Whether it is 0, 1, 2, … along its one dimension that is not 1."""
    count = array.size
    return (
        array.dtype != bool and max(array.shape) == count and np.array_equal(array.ravel(), np.arange(count))
    )
