"""Shapes that are only known when the model runs, computed from its inputs' shapes."""

from __future__ import annotations

from collections.abc import Callable

from kexport.errors import UnsupportedOpError
from kexport.ir import Dim, Shape, Symbolic, Value
from kexport.ir.dims import Atom, FloorDiv, Product, Symbol, is_static
from kexport_targets.onnx.emit.emitter import Emitter


def shape_vector(e: Emitter, shape: Shape) -> str:
    """``shape`` as an int64 vector, a constant where every dimension is known."""
    if is_static(shape):
        return e.ints([int(str(dim)) for dim in shape])
    parts = [_length(e, dim) for dim in shape]
    if len(parts) == 1:
        return parts[0]
    return e.once(("shape", shape), lambda: e.op("Concat", parts, hint="shape", axis=0))


def _length(e: Emitter, dim: Dim) -> str:
    """An int64 tensor (1,) that holds ``dim``."""
    if isinstance(dim, int):
        return e.ints([dim])
    return e.once(("length", dim), lambda: _sum(e, dim))


def _sum(e: Emitter, dim: Symbolic) -> str:
    total = ""
    for atom, coefficient in dim.terms:
        term = e.once(("length", atom), _atom(e, atom))
        if coefficient != 1:
            term = e.op("Mul", [term, e.ints([coefficient])], hint="length")
        total = e.op("Add", [total, term], hint="length") if total else term
    return e.op("Add", [total, e.ints([dim.constant])], hint="length") if dim.constant else total


def _atom(e: Emitter, atom: Atom) -> Callable[[], str]:
    match atom:
        case Symbol(name):
            return lambda: _symbol(e, name)
        case FloorDiv(numerator, divisor):
            # Lengths are not negative, so that Div's truncation is a floor.
            return lambda: e.op("Div", [_length(e, numerator), e.ints([divisor])], hint="length")
        case Product(left, right):
            return lambda: e.op("Mul", [_length(e, left), _length(e, right)], hint="length")


def _symbol(e: Emitter, name: str) -> str:
    """The length of the input dimension that is the symbol, or of what a node has found out."""
    for value in e.graph.inputs:
        for axis, dim in enumerate(value.shape):
            if isinstance(dim, Symbolic) and str(dim) == name:
                return e.op("Gather", [_shape(e, value), e.ints([axis])], hint="length", axis=0)
    found = e.graph.found_lengths().get(name)
    if found is not None:
        return e.op("Gather", [_shape(e, found), e.ints([found.rank - 1])], hint="length", axis=0)
    raise UnsupportedOpError(
        f"Layer {e.origin!r}: lengths that are known when the model runs are those of its inputs. Received: {name!r}.",
        hint=f"Fix it with --dim {name}=N.",
    )


def _shape(e: Emitter, value: Value) -> str:
    return e.once(("shape of", value), lambda: e.op("Shape", [value], hint="shape"))
