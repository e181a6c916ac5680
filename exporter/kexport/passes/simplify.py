"""Removes what computes nothing and writes what remains in fewer or plainer ops, one rule an identity."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from kexport.ir import Graph, Node, Shape, Value, dtypes
from kexport.passes.infrastructure import as_pass
from kexport.passes.padding import explicit_padding
from kexport.passes.rewriting import Rewriter
from kexport.passes.views.view import view_of

_Simplify: TypeAlias = Callable[[Node, Rewriter], Value | None]

_RULES: dict[str, _Simplify] = {}

#: Elements up to which a constant is read to see whether it is all zeros or ones.
_READ_ELEMENTS = 65536


def _simplifies(*ops: str) -> Callable[[_Simplify], _Simplify]:
    def decorate(function: _Simplify) -> _Simplify:
        for op in ops:
            if op in _RULES:
                raise ValueError(f"The op {op!r} is simplified twice.")
            _RULES[op] = function
        return function

    return decorate


def _is_all(value: Value, number: float) -> bool:
    """Whether ``value`` is a constant, not large, of that number."""
    if value.constant is None or value.constant.size > _READ_ELEMENTS or value.dtype in ("bool", "string"):
        return False
    return bool(np.all(value.constant.numpy() == number))


def _scalar(value: Value) -> float | None:
    """The one number that a constant holds."""
    if value.constant is None or value.constant.size != 1 or value.dtype in ("bool", "string"):
        return None
    return float(np.reshape(value.constant.numpy(), ())[()])


def _before(node: Node, *ops: str) -> Node | None:
    """The node that computes input 0, if it is one of ``ops`` and carries no activation."""
    producer = node.input(0).producer
    if producer is None or producer.op not in ops or producer.attrs.get("activation", "none") != "none":
        return None
    return producer


# Arithmetic.


@_simplifies("add", "sub", "mul", "div")
def _neutral_operand(node: Node, rewriter: Rewriter) -> Value | None:
    """``x + 0``, ``x - 0``, ``x * 1`` and ``x / 1`` are x."""
    neutral = 0 if node.op in ("add", "sub") else 1
    pairs = [(node.input(0), node.input(1))]
    if node.op in ("add", "mul"):
        pairs.append((node.input(1), node.input(0)))
    if node.attrs["activation"] != "none":
        return None
    return next((x for x, other in pairs if x.type == node.output.type and _is_all(other, neutral)), None)


@_simplifies("pow")
def _plain_power(node: Node, rewriter: Rewriter) -> Value | None:
    """``x ** 2`` is a square, ``x ** 0.5`` a square root (of floats), ``x ** 1`` x."""
    x, exponent = node.input(0), _scalar(node.input(1))
    if x.type != node.output.type:
        return None
    if exponent == 1:
        return x
    if exponent == 2:
        return rewriter.builder.op("square", x)
    return rewriter.builder.op("sqrt", x) if exponent == 0.5 and dtypes.is_float(x.dtype) else None


@_simplifies("maximum", "minimum")
def _bound(node: Node, rewriter: Rewriter) -> Value | None:
    """``maximum(x, 0)`` is a relu, another bound by one number a clip."""
    for x, other in ((node.input(0), node.input(1)), (node.input(1), node.input(0))):
        number = _scalar(other)
        if number is None or x.type != node.output.type or not dtypes.is_float(x.dtype) or math.isnan(number):
            continue
        if node.op == "minimum":
            return rewriter.builder.op("clip", x, max=number)
        return rewriter.builder.op("relu", x) if number == 0 else rewriter.builder.op("clip", x, min=number)
    return None


_BOUNDS = {"relu": (0.0, math.inf), "relu6": (0.0, 6.0)}


def _bounds(node: Node) -> tuple[float, float]:
    return _BOUNDS[node.op] if node.op in _BOUNDS else (float(node.attrs["min"]), float(node.attrs["max"]))


@_simplifies("clip", "relu", "relu6")
def _clip(node: Node, rewriter: Rewriter) -> Value | None:
    """One clip after another is one; without bounds it is nothing; from 0 it is a relu, from 0 to 6 a relu6."""
    x, (low, high) = node.input(0), _bounds(node)
    earlier = _before(node, "clip", "relu", "relu6")
    if earlier is not None:
        x, (first_low, first_high) = earlier.input(0), _bounds(earlier)
        low, high = (min(max(first_low, low), high), min(max(first_high, low), high))
    elif node.op != "clip":
        return None
    if (low, high) == (-math.inf, math.inf):
        return x
    if dtypes.is_float(x.dtype):
        for op, bounds in _BOUNDS.items():
            if bounds == (low, high):
                return rewriter.builder.op(op, x)
    return rewriter.builder.op("clip", x, min=low, max=high) if earlier is not None else None


# Shapes.

_REDUCTIONS = (
    "reduce_sum",
    "reduce_mean",
    "reduce_max",
    "reduce_min",
    "reduce_prod",
    "reduce_any",
    "reduce_all",
)


@_simplifies("identity")
def _identity(node: Node, rewriter: Rewriter) -> Value | None:
    """An identity (a dropout) is its input."""
    return node.input(0)


@_simplifies("cast")
def _cast(node: Node, rewriter: Rewriter) -> Value | None:
    """A cast to the dtype that x has."""
    return node.input(0) if node.input(0).dtype == node.output.dtype else None


def _can_reshape(shape: Shape) -> bool:
    """Whether a format with one unknown length can hold a reshape to ``shape``."""
    return sum(not isinstance(dim, int) for dim in shape) <= 1


@_simplifies("reshape", "expand_dims", "squeeze", "transpose")
def _view(node: Node, rewriter: Rewriter) -> Value | None:
    """Views of views are one view; one that moves nothing is none; reshapes of reshapes are one."""
    x, shape = node.input(0), node.output.shape
    view = view_of(node)
    if view is not None and view.is_noop(x.shape):
        return x
    reduced = _reduced_otherwise(node, rewriter)
    if reduced is not None:
        return reduced
    earlier = _before(node, "reshape", "expand_dims", "squeeze", "transpose", "identity")
    if earlier is None:
        if view is not None and node.op == "transpose" and view.keeps_order(x.shape):
            return _emit(view.steps(x.shape), x, rewriter)
        return None
    base, first = earlier.input(0), view_of(earlier)
    if first is not None and view is not None:
        joined = first.then(view)
        steps = joined.steps(base.shape)
        return _emit(steps, base, rewriter) if len(steps) < 2 else None
    keeps_order = node.op != "transpose" or (view is not None and view.keeps_order(x.shape))
    first_keeps = earlier.op != "transpose" or (first is not None and first.keeps_order(base.shape))
    if not keeps_order or not first_keeps:
        return None
    if base.shape == shape:
        return base
    return rewriter.builder.op("reshape", base, shape=shape) if _can_reshape(shape) else None


def _reduced_otherwise(node: Node, rewriter: Rewriter) -> Value | None:
    """A reduction whose dimensions are put back, or taken off, at once: one that keeps them, or drops them."""
    reduction = rewriter.sole_producer(node.input(0))
    if node.op == "transpose" or reduction is None or reduction.op not in _REDUCTIONS:
        return None
    axes, keepdims = reduction.attrs["axes"], not reduction.attrs["keepdims"]
    shape = tuple(
        1 if axis in axes else dim
        for axis, dim in enumerate(reduction.input(0).shape)
        if keepdims or axis not in axes
    )
    if view_of(node) is None or node.output.shape != shape:
        return None
    rewriter.builder.origin = reduction.origin
    return rewriter.builder.op(reduction.op, reduction.input(0), axes=axes, keepdims=keepdims)


def _emit(steps: Sequence[tuple[str, dict[str, Any]]], value: Value, rewriter: Rewriter) -> Value:
    for op, attrs in steps:
        value = rewriter.builder.op(op, value, **attrs)
    return value


@_simplifies("slice")
def _slice(node: Node, rewriter: Rewriter) -> Value | None:
    """A slice of everything is x; slices of slices from positive bounds on known lengths are one."""
    whole = all(
        (begin == 0 and end is None and stride == 1) or (begin == 0 and stride == 1 and end == dim)
        for dim, begin, end, stride in zip(
            node.input(0).shape, node.attrs["begin"], node.attrs["end"], node.attrs["strides"], strict=True
        )
    )
    if whole:
        return node.input(0)
    earlier = _before(node, "slice")
    return None if earlier is None else _joined_slices(earlier, node, rewriter)


def _joined_slices(first: Node, second: Node, rewriter: Rewriter) -> Value | None:
    begin, end, strides = [], [], []
    for axis, dim in enumerate(first.input(0).shape):
        one = tuple(first.attrs[key][axis] for key in ("begin", "end", "strides"))
        two = tuple(second.attrs[key][axis] for key in ("begin", "end", "strides"))
        entry = _joined_bounds(dim, one, two)
        if entry is None:
            return None
        begin.append(entry[0])
        end.append(entry[1])
        strides.append(entry[2])
    attrs = {"begin": tuple(begin), "end": tuple(end), "strides": tuple(strides)}
    return rewriter.builder.op("slice", first.input(0), **attrs)


def _joined_bounds(dim: object, one: tuple[Any, ...], two: tuple[Any, ...]) -> tuple[Any, ...] | None:
    whole = (0, None, 1)
    if two == whole:
        return one
    if one == whole:
        return two
    if isinstance(dim, int):
        joined = range(dim)[slice(*one)][slice(*two)]
        return (joined.start, joined.stop, joined.step) if joined else None
    if one[2] != 1 or two[2] != 1 or one[0] < 0 or two[0] < 0:
        return None
    if (one[1] is None or one[1] < 0) and (two[1] is None or two[1] < 0):  # a crop of both ends, twice
        end = (one[1] or 0) + (two[1] or 0)
        return (one[0] + two[0], end or None, 1)
    return None


@_simplifies("pad")
def _pad(node: Node, rewriter: Rewriter) -> Value | None:
    """A pad of nothing is x; pads of pads with one value are one."""
    pads = node.attrs["pads"]
    if not any(any(pair) for pair in pads):
        return node.input(0)
    earlier = _before(node, "pad")
    if earlier is None or {earlier.attrs["mode"], node.attrs["mode"]} != {"constant"}:
        return None
    if earlier.attrs["value"] != node.attrs["value"]:
        return None
    joined = tuple((a + c, b + d) for (a, b), (c, d) in zip(earlier.attrs["pads"], pads, strict=True))
    return rewriter.builder.op("pad", earlier.input(0), **{**node.attrs, "pads": joined})


@_simplifies("concat")
def _concat(node: Node, rewriter: Rewriter) -> Value | None:
    """A concat of one is it; a concat that only another along the same axis reads is part of that."""
    if len(node.inputs) == 1:
        return node.input(0)
    values: list[Value] = []
    for index in range(len(node.inputs)):
        value = node.input(index)
        inner = rewriter.sole_producer(value)
        same = inner is not None and inner.op == "concat" and inner.attrs["axis"] == node.attrs["axis"]
        values += [v for v in inner.inputs if v is not None] if inner is not None and same else [value]
    return rewriter.builder.op("concat", *values, **node.attrs) if len(values) > len(node.inputs) else None


@_simplifies("split")
def _split(node: Node, rewriter: Rewriter) -> Value | None:
    """A split into one part."""
    return node.input(0) if len(node.outputs) == 1 else None


@_simplifies("tile")
def _tile(node: Node, rewriter: Rewriter) -> Value | None:
    """Each dimension once."""
    return node.input(0) if all(times == 1 for times in node.attrs["multiples"]) else None


@_simplifies("broadcast_to")
def _broadcast_to(node: Node, rewriter: Rewriter) -> Value | None:
    """To the shape that x has."""
    return node.input(0) if node.input(0).shape == node.output.shape else None


@_simplifies("reverse")
def _reverse(node: Node, rewriter: Rewriter) -> Value | None:
    """Along nothing but dimensions of 1."""
    shape = node.input(0).shape
    return node.input(0) if all(shape[axis] == 1 for axis in node.attrs["axes"]) else None


@_simplifies("resize")
def _resize(node: Node, rewriter: Rewriter) -> Value | None:
    """To the size that x has."""
    return node.input(0) if node.input(0).shape == node.output.shape else None


@_simplifies("reduce_sum", "reduce_mean", "reduce_max", "reduce_min", "reduce_prod")
def _reduction(node: Node, rewriter: Rewriter) -> Value | None:
    """Over nothing but dimensions of 1: a squeeze, or x itself."""
    x, axes = node.input(0), node.attrs["axes"]
    if any(x.shape[axis] != 1 for axis in axes):
        return None
    if node.attrs["keepdims"] or not axes:
        return x
    return rewriter.builder.op("squeeze", x, axes=tuple(sorted(axes)))


@_simplifies("max_pool", "avg_pool")
def _pool(node: Node, rewriter: Rewriter) -> Value | None:
    """Of windows of 1, side by side, without padding."""
    attrs = node.attrs
    ones = all(size == 1 for size in (*attrs["window"], *attrs["strides"]))
    pads = explicit_padding(node) if ones and attrs["activation"] == "none" else None
    return node.input(0) if pads is not None and not any(any(pair) for pair in pads) else None


def _rule(node: Node, rewriter: Rewriter) -> list[Value] | None:
    simplify = _RULES.get(node.op)
    value = simplify(node, rewriter) if simplify else None
    return None if value is None else [value]


@as_pass("simplify")
def simplify(graph: Graph) -> bool:
    """Remove ops that compute nothing, join those that are one op, and write some as plainer ones.

    Given::

        a = identity(x)
        b = add(a, zeros)
        c = transpose(b, (0, 2, 1))
        d = transpose(c, (0, 2, 1))
        e = pad(d, 1)
        f = pad(e, 1)
        g = maximum(f, 0)

    Result::

        f = pad(x, 2)
        g = relu(f)
    """
    return Rewriter(graph).run(_rule)
