"""Numbers and lengths that are known when exporting, read back from the nodes that compute them.

``tf.reshape(x, (tf.shape(x)[0], -1))`` is a shape, a slice and a reshape. The reshape wants to know that its first length is the
batch, whatever that is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from kexport.ir import Array, Dim, Value, dims
from kexport.ir.evaluate import evaluate_node
from kexport.ir.ops import get


def known_array(value: Value) -> Array | None:
    """What ``value`` holds, where it depends on no input; None elsewhere."""
    if value.constant is not None:
        return value.constant.numpy()
    node = value.producer
    if node is None:
        return None
    if node.op == "shape" and dims.is_static(node.input(0).shape):
        return np.asarray(node.input(0).shape, np.int32)
    inputs = [None if item is None else known_array(item) for item in node.inputs]
    if not inputs or any(array is None for array in inputs):
        return None
    return evaluate_node(node, inputs)[node.outputs.index(value)]


#: Ops that move elements, whatever they are.
_MOVES: Final = (
    "broadcast_to", "cast", "concat", "expand_dims", "gather", "identity", "reshape", "reverse", "slice", "split", "squeeze",
)  # fmt: skip


def _floor_div(left: Dim, right: Dim) -> Dim:
    # Divisors are positive; what is not a number is none, which floor_div refuses.
    return dims.floor_div(left, right if isinstance(right, int) else 0)


_ARITHMETIC: Final[dict[str, Callable[[Dim, Dim], Dim]]] = {
    "add": dims.add,
    "sub": dims.subtract,
    "mul": dims.multiply,
    "floor_div": _floor_div,
}


def known_dims(item: Any) -> list[Dim] | None:
    """The lengths that a number, a list of numbers and tensors, or a tensor stands for; None where they are not known."""
    if isinstance(item, list | tuple):
        parts = [known_dims(part) for part in item]
        return (
            None if any(part is None for part in parts) else [dim for part in parts if part for dim in part]
        )
    if isinstance(item, Value):
        found = _symbolic(item)
        return None if found is None else list(np.ravel(found))
    if isinstance(item, int | np.integer) and not isinstance(item, bool):
        return [int(item)]
    return [-1] if item is None else None


def _symbolic(value: Value) -> Any:
    """``value`` as an array of dimensions."""
    known = known_array(value)
    if known is not None:
        return _objects(known)
    node = value.producer
    if node is None:
        return None
    if node.op == "shape":
        return _objects(node.input(0).shape)
    inputs: list[Any] = [None if item is None else _symbolic(item) for item in node.inputs]
    if any(array is None for array in inputs):
        return None
    if node.op in _ARITHMETIC:
        try:
            return np.asarray(np.frompyfunc(_ARITHMETIC[node.op], 2, 1)(*inputs), object)
        except ValueError:
            return None
    if node.op == "reduce_prod":
        return np.asarray(dims.product(tuple(np.ravel(inputs[0]))), object)
    if node.op not in _MOVES:
        return None
    return _moved(node.op, inputs, node.attrs)[node.outputs.index(value)]


def _moved(op: str, inputs: list[Any], attrs: Any) -> list[Any]:
    if op == "cast":
        return inputs
    if op == "gather":
        inputs = [inputs[0], inputs[1].astype(int)]
    return [np.asarray(array, object) for array in get(op).compute(inputs, attrs)]


def _objects(items: Any) -> Any:
    """An array of Python objects, of Python's integers where they are NumPy's."""
    if isinstance(items, tuple):
        made = np.empty(len(items), object)
        made[:] = items
        return made
    return np.asarray(items).astype(object)
