"""Shapes that are only known when the model runs, computed from its inputs' shapes by operators of their own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kexport.errors import UnsupportedOpError
from kexport.ir import Constant, Dim, Shape, Symbolic, TensorType
from kexport.ir.dims import Atom, FloorDiv, Product, Symbol, is_static
from kexport_targets.tflite import schema
from kexport_targets.tflite.emit.emitter import Emitter

_LENGTH = TensorType("int32", (1,))


def shape_vector(e: Emitter, shape: Shape) -> int:
    """The tensor of ``shape``: int32 (rank,), a constant where every dimension is known."""
    if is_static(shape):
        return e.ints([int(str(dim)) for dim in shape])
    parts = [_length(e, dim) for dim in shape]
    if len(parts) == 1:
        return parts[0]
    return e.once(("shape", shape), lambda: _joined(e, parts))


def _joined(e: Emitter, parts: list[int]) -> int:
    vector = e.scratch("shape", TensorType("int32", (len(parts),)))
    e.op("CONCATENATION", parts, [vector], "ConcatenationOptions", axis=0)
    return vector


def _length(e: Emitter, dim: Dim) -> int:
    """An int32 tensor (1,) that holds ``dim``."""
    if isinstance(dim, int):
        return e.ints([dim], "length")
    return e.once(("length", dim), lambda: _sum(e, dim))


def _sum(e: Emitter, dim: Symbolic) -> int:
    total: int | None = None
    for atom, coefficient in dim.terms:
        term = e.once(("length", atom), _atom(e, atom))
        if coefficient != 1:
            term = _binary(e, "MUL", "MulOptions", term, e.ints([coefficient], "length"))
        total = term if total is None else _binary(e, "ADD", "AddOptions", total, term)
    assert total is not None
    return _binary(e, "ADD", "AddOptions", total, e.ints([dim.constant], "length")) if dim.constant else total


def _atom(e: Emitter, atom: Atom) -> Callable[[], int]:
    match atom:
        case Symbol(name):
            return lambda: _symbol(e, name)
        case FloorDiv(numerator, divisor):
            return lambda: _binary(
                e, "FLOOR_DIV", "FloorDivOptions", _length(e, numerator), e.ints([divisor], "length")
            )
        case Product(left, right):
            return lambda: _binary(e, "MUL", "MulOptions", _length(e, left), _length(e, right))


def _symbol(e: Emitter, name: str) -> int:
    """The length of the input dimension that is the symbol."""
    for value in e.graph.inputs:
        for axis, dim in enumerate(value.shape):
            if isinstance(dim, Symbolic) and str(dim) == name:
                return _dimension(e, e.tensor(value), value.rank, axis)
    raise UnsupportedOpError(f"The length {name!r} is not one of an input's.", hint="Give it with --dim.")


def _dimension(e: Emitter, tensor: int, rank: int, axis: int) -> int:
    shape = e.once(("shape of", tensor), lambda: _shape(e, tensor, rank))
    length = e.scratch("length", _LENGTH)
    bounds = [e.ints([axis], "length"), e.ints([axis + 1], "length"), e.ints([1], "length")]
    e.op("STRIDED_SLICE", [shape, *bounds], [length], "StridedSliceOptions")
    return length


def _shape(e: Emitter, tensor: int, rank: int) -> int:
    shape = e.scratch("shape", TensorType("int32", (rank,)))
    e.op("SHAPE", [tensor], [shape], "ShapeOptions", out_type=schema.TENSOR_TYPES["int32"])
    return shape


def _binary(e: Emitter, builtin: str, options: str, left: int, right: int) -> int:
    result = e.scratch("length", _LENGTH)
    e.op(builtin, [left, right], [result], options)
    return result


def scalar(e: Emitter, number: float, dtype: str, name: str) -> int:
    """A constant of rank 0."""
    return e.constant(Constant.of(np.asarray(number), dtype), name)
