"""Shapes that are only known when the model runs, computed from its inputs' shapes: once, outside of loops."""

from __future__ import annotations

from collections.abc import Callable

from kexport.errors import UnsupportedOpError
from kexport.ir import Dim, Shape, Symbolic, Value
from kexport.ir.dims import Atom, FloorDiv, Product, Symbol, is_static
from kexport_targets.saved_model.emit.emitter import DType, Emitter


def shape_vector(e: Emitter, shape: Shape) -> str:
    """``shape`` as an int32 vector, a constant where every dimension is known."""
    if is_static(shape):
        return e.ints([int(str(dim)) for dim in shape])
    root = e.root
    return e.entered(root.once(("shape", shape), lambda: _packed(root, shape)))


def length(e: Emitter, dim: Dim) -> str:
    """An int32 scalar that holds ``dim``."""
    if isinstance(dim, int):
        return e.scalar(dim)
    return e.entered(_length(e.root, dim))


def _packed(root: Emitter, shape: Shape) -> str:
    parts = [_length(root, dim) for dim in shape]
    return root.op("Pack", parts, dtype="int32", N=len(parts))


def _length(root: Emitter, dim: Dim) -> str:
    if isinstance(dim, int):
        return root.scalar(dim)
    return root.once(("length", dim), lambda: _sum(root, dim))


def _sum(root: Emitter, dim: Symbolic) -> str:
    total = ""
    for atom, coefficient in dim.terms:
        term = root.once(("length", atom), _atom(root, atom))
        if coefficient != 1:
            term = root.op("Mul", [term, root.scalar(coefficient)])
        total = root.op("AddV2", [total, term]) if total else term
    return root.op("AddV2", [total, root.scalar(dim.constant)]) if dim.constant else total


def _atom(root: Emitter, atom: Atom) -> Callable[[], str]:
    match atom:
        case Symbol(name):
            return lambda: _symbol(root, name)
        case FloorDiv(numerator, divisor):
            return lambda: root.op("FloorDiv", [_length(root, numerator), root.scalar(divisor)])
        case Product(left, right):
            return lambda: root.op("Mul", [_length(root, left), _length(root, right)])


def _symbol(root: Emitter, name: str) -> str:
    """The length of the input dimension that is the symbol, or of what a node has found out."""
    for value in root.graph.inputs:
        for axis, dim in enumerate(value.shape):
            if isinstance(dim, Symbolic) and str(dim) == name:
                return _dimension(root, value, axis)
    found = root.graph.found_lengths().get(name)
    if found is not None:
        return _dimension(root, found, found.rank - 1)
    raise UnsupportedOpError(f"The length {name!r} is not one of an input's.", hint="Give it with --dim.")


def _dimension(root: Emitter, value: Value, axis: int) -> str:
    bounds = [root.ints([bound]) for bound in (axis, axis + 1, 1)]
    return root.op("StridedSlice", [_shape(root, value), *bounds], shrink_axis_mask=1)


def _shape(root: Emitter, value: Value) -> str:
    return root.once(
        ("shape of", value), lambda: root.op("Shape", [value], dtype="int32", out_type=DType("int32"))
    )
