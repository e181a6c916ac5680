"""Operations on two tensors that broadcast. Source: coremltools 9.0, mil/ops/defs/iOS15/elementwise_binary.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kexport_runtimes.coreml.registry import op, register
from kexport_runtimes.coreml.values import checked_size

Array = NDArray[Any]

_TABLE: dict[str, Callable[[Array, Array], Any]] = {
    "add": np.add,
    "equal": np.equal,
    "floor_div": np.floor_divide,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "less": np.less,
    "less_equal": np.less_equal,
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "logical_xor": np.logical_xor,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "mod": np.mod,  # of the divisor's sign
    "mul": np.multiply,
    "not_equal": np.not_equal,
    "sub": np.subtract,
}


def _check_size(*tensors: Array) -> None:
    """Refuse what broadcasts to more than a tensor may hold."""
    checked_size(np.broadcast_shapes(*(np.shape(tensor) for tensor in tensors)))


def _of_table(compute: Callable[[Array, Array], Any]) -> Callable[[Array, Array], Any]:
    def kernel(x: Array, y: Array) -> Any:
        _check_size(x, y)
        return compute(x, y)

    return kernel


for _name, _compute in _TABLE.items():
    register(_name, _of_table(_compute))


@op("real_div")
def real_div(x: Array, y: Array) -> Any:
    """x / y; of integers the integer part."""
    _check_size(x, y)
    quotient = np.true_divide(x, y)
    return np.trunc(quotient).astype(x.dtype) if x.dtype.kind in "iu" else quotient


@op("pow")
def power(x: Array, y: Array) -> Any:
    """x to the power of y; of integers the integer part, as with negative powers."""
    _check_size(x, y)
    if x.dtype.kind in "iu":
        return np.trunc(np.power(x.astype(np.float64), y)).astype(x.dtype)
    return np.power(x, y)


@op("select")
def select(cond: Array, a: Array, b: Array) -> Any:
    """a where cond is true, b elsewhere."""
    _check_size(cond, a, b)
    return np.where(cond, a, b)
