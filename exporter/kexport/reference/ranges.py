"""What the values of an input mean to a graph: indices into a table, pixels, standardized numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from kexport.ir import Array, Graph, Node, Value, dims

#: Ops whose result holds elements of the traced input, as they were.
_MOVING = frozenset(
    [
        "identity",
        "cast",
        "reshape",
        "expand_dims",
        "squeeze",
        "transpose",
        "concat",
        "split",
        "slice",
        "pad",
        "tile",
    ]
)
_PASSING = _MOVING | {"broadcast_to", "reverse", "clip", "relu", "maximum", "minimum", "select"}

#: A scale that maps pixels 0..255 to about [0, 1] or [-1, 1]: from 1/512 (half of 1/255) to 1/64 (twice 1/127.5).
_PIXEL_SCALE = (1 / 512, 1 / 64)

#: What is scaled by less is not being normalized.
_LEAST_SCALE = 1e-6

#: Larger constants are not scales and offsets of an input.
_MAX_CONSTANT = 1 << 20


@dataclass(frozen=True)
class _Traced:
    """``value`` holds ``scale * x + offset`` of the input x."""

    value: Value
    scale: Fraction
    offset: Fraction


def index_range(
    value: Value, users: Mapping[Value, list[Node]], bindings: Mapping[str, int]
) -> tuple[int, int] | None:
    """The least and the largest integer that ``value`` may hold so that every table it indexes has a row for it;
    None where it indexes none.

    Followed are casts, moves and integer arithmetic with constants, up to ``gather`` and ``one_hot``.
    """
    low, high, found = -math.inf, math.inf, False
    stack = [_Traced(value, Fraction(1), Fraction(0))]
    seen = set(stack)
    while stack:
        traced = stack.pop()
        for node in users.get(traced.value, ()):
            rows = _rows(node, traced.value, bindings)
            if rows is not None:
                ends = ((-traced.offset) / traced.scale, (rows - 1 - traced.offset) / traced.scale)
                low, high, found = max(low, math.ceil(min(ends))), min(high, math.floor(max(ends))), True
            for following in _follow(node, traced):
                if following not in seen:
                    seen.add(following)
                    stack.append(following)
    if not found or low > high:
        return None
    return int(low), int(high)


def _rows(node: Node, value: Value, bindings: Mapping[str, int]) -> int | None:
    if node.op == "one_hot":
        return int(node.attrs["depth"])
    if node.op == "gather" and node.inputs[1] is value:
        return dims.evaluate(node.input(0).shape[node.attrs["axis"]], bindings)
    return None


def _follow(node: Node, traced: _Traced) -> Iterator[_Traced]:
    if node.op in _PASSING and node.outputs[0].dtype != "bool":
        for output in node.outputs:
            yield _Traced(output, traced.scale, traced.offset)
    elif node.op in ("add", "sub", "mul", "div", "floor_div"):
        for number in _constant_ends(node, traced.value):
            yield from _arithmetic(node, traced, number)


def _constant_ends(node: Node, value: Value) -> list[Fraction]:
    """The extremes of the constant that ``node`` combines ``value`` with."""
    other = node.input(1) if node.inputs[0] is value else node.input(0)
    if other.constant is None or not 0 < other.constant.size <= _MAX_CONSTANT:
        return []
    array = other.constant.numpy()
    if array.dtype.kind not in "iuf" or not np.isfinite(array).all():
        return []
    return sorted({Fraction(array.min().item()), Fraction(array.max().item())})


def _arithmetic(node: Node, traced: _Traced, number: Fraction) -> Iterator[_Traced]:
    first = node.inputs[0] is traced.value
    scale, offset = traced.scale, traced.offset
    if node.op == "add":
        yield _Traced(node.output, scale, offset + number)
    elif node.op == "sub":
        yield _Traced(node.output, scale if first else -scale, offset - number if first else number - offset)
    elif node.op == "mul" and number:
        yield _Traced(node.output, scale * number, offset * number)
    elif node.op in ("div", "floor_div") and first and number:
        yield _Traced(node.output, scale / number, offset / number)


def looked_up(value: Value, users: Mapping[Value, list[Node]]) -> tuple[Array, bool] | None:
    """The keys of the first table that ``value``, moved or cast, is looked up in, and whether it may be nothing else; None where it is
    looked up in none."""
    for node in _readers(value, users):
        keys = node.input(1).constant if node.op == "lookup" else None
        if keys is not None:
            return keys.numpy(), bool(node.attrs["strict"])
    return None


def is_hashed(value: Value, users: Mapping[Value, list[Node]]) -> bool:
    """Whether ``value``, moved or cast, is hashed."""
    return any(node.op in ("hash_bucket", "cross_hash") for node in _readers(value, users))


def _readers(value: Value, users: Mapping[Value, list[Node]]) -> Iterator[Node]:
    """The nodes that read ``value`` as it is, and those that read what moves it."""
    stack, seen = [value], {value}
    while stack:
        for node in users.get(stack.pop(), ()):
            yield node
            if node.op in _MOVING and node.output.dtype != "bool":
                stack += [output for output in node.outputs if output not in seen]
                seen.update(node.outputs)


@dataclass(frozen=True)
class Affine:
    """What a graph first does to an input: ``scale * x + offset``, arrays that broadcast to x.

    ``takes_pixels`` tells whether the first scale looks like the rescaling of pixels from 0..255.
    """

    scale: Array
    offset: Array
    takes_pixels: bool

    def inverse(self, wanted: Array) -> Array:
        """The x that becomes ``wanted``; elements that are scaled to next to nothing stay as wanted."""
        scale = np.where(np.abs(self.scale) < _LEAST_SCALE, 1, self.scale)
        x: Array = (wanted - self.offset) / scale
        return x


def first_affine(graph: Graph, value: Value, users: Mapping[Value, list[Node]]) -> Affine:
    """The scales and offsets by constants that ``value`` first goes through; the identity where there are none."""
    scale, offset = np.ones(()), np.zeros(())
    pixels = None
    while True:
        nodes = users.get(value, [])
        step = _affine_step(nodes[0], value) if len(nodes) == 1 and value not in graph.outputs else None
        if step is None:
            return Affine(scale, offset, bool(pixels))
        factor, term = step
        scale, offset = scale * factor, offset * factor + term
        if pixels is None and np.any(factor != 1):
            pixels = factor.size == 1 and _PIXEL_SCALE[0] <= abs(float(factor.reshape(()))) <= _PIXEL_SCALE[1]
        value = nodes[0].output


def _affine_step(node: Node, value: Value) -> tuple[Array, Array] | None:
    zero, one = np.zeros(()), np.ones(())
    if node.op in ("identity", "cast"):
        return (one, zero) if node.output.dtype != "bool" else None
    if node.op not in ("add", "sub", "mul", "div") or node.attrs["activation"] != "none":
        return None
    first = node.inputs[0] is value
    constant = node.input(1 if first else 0).constant
    if constant is None or constant.size > _MAX_CONSTANT or node.output.shape != value.shape:
        return None
    if len(constant.shape) == value.rank and constant.shape[:1] not in ((), (1,)):
        return None  # it has something to say about single samples
    number = np.asarray(constant.numpy(), np.float64)
    if not np.isfinite(number).all():
        return None
    if node.op == "add":
        return one, number
    if node.op == "sub":
        return (one, -number) if first else (-one, number)
    if node.op == "mul":
        return number, zero
    return (1 / number, zero) if first and np.all(number != 0) else None
