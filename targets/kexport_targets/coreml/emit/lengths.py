"""Shapes that are only known when the model runs, computed from its inputs' shapes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kexport.errors import UnsupportedOpError
from kexport.ir import Dim, Shape, Symbolic, Value
from kexport.ir.dims import Atom, FloorDiv, Product, Symbol, is_static
from kexport_targets.coreml.emit.emitter import Emitter
from kexport_targets.coreml.program import Tensor


def shape_vector(e: Emitter, shape: Shape) -> Tensor:
    """``shape`` as an int32 vector, a constant where every dimension is known. What computes it stands in the outermost block."""
    if is_static(shape):
        return e.constant(np.asarray([int(str(dim)) for dim in shape], np.int32).reshape(len(shape)), "shape")
    root = e.root
    parts = [_vector(root, dim) for dim in shape]
    if len(parts) == 1:
        return parts[0]
    given = {"values": parts, "axis": 0, "interleave": False}
    return root.once(("shape", shape), lambda: root.op("concat", given, dtype="int32", shape=(len(shape),)))


def length(e: Emitter, dim: Dim) -> Tensor:
    """``dim`` as an int32 scalar."""
    root = e.root
    if isinstance(dim, int):
        return e.number(dim, "int32")
    vector = _vector(root, dim)
    return root.once(
        ("scalar", dim), lambda: root.op("squeeze", {"x": vector, "axes": [0]}, dtype="int32", shape=())
    )


def _vector(e: Emitter, dim: Dim) -> Tensor:
    """An int32 tensor (1,) that holds ``dim``."""
    if isinstance(dim, int):
        return e.constant(np.asarray([dim], np.int32), "length")
    return e.once(("length", dim), lambda: _sum(e, dim))


def _sum(e: Emitter, dim: Symbolic) -> Tensor:
    total: Tensor | None = None
    for atom, coefficient in dim.terms:
        term = e.once(("length", atom), _atom(e, atom))
        if coefficient != 1:
            term = _arithmetic(e, "mul", term, _vector(e, coefficient))
        total = term if total is None else _arithmetic(e, "add", total, term)
    assert total is not None
    return _arithmetic(e, "add", total, _vector(e, dim.constant)) if dim.constant else total


def _atom(e: Emitter, atom: Atom) -> Callable[[], Tensor]:
    match atom:
        case Symbol(name):
            return lambda: _symbol(e, name)
        case FloorDiv(numerator, divisor):
            return lambda: _arithmetic(e, "floor_div", _vector(e, numerator), _vector(e, divisor))
        case Product(left, right):
            return lambda: _arithmetic(e, "mul", _vector(e, left), _vector(e, right))


def _arithmetic(e: Emitter, op: str, left: Tensor, right: Tensor) -> Tensor:
    return e.op(op, {"x": left, "y": right}, dtype="int32", shape=(1,))


def _symbol(e: Emitter, name: str) -> Tensor:
    """The length of the input dimension that is the symbol."""
    for value in e.graph.inputs:
        for axis, dim in enumerate(value.shape):
            if isinstance(dim, Symbolic) and str(dim) == name:
                given = {"x": _shape(e, value), "begin": [axis], "size": [1]}
                return e.op("slice_by_size", given, dtype="int32", shape=(1,))
    raise UnsupportedOpError(
        f"The length {name!r} is not one of an input's.", hint=f"Give it with --dim {name}=N."
    )


def _shape(e: Emitter, value: Value) -> Tensor:
    return e.once(
        ("shape of", value), lambda: e.op("shape", {"x": value}, dtype="int32", shape=(value.rank,))
    )
