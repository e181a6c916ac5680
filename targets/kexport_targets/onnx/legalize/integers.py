"""Integers, uint64 above all: few kernels of ONNX Runtime compute in it. Its bits as int64 have the same sums and products; for an order, 2^63 is taken
off both sides."""

from __future__ import annotations

from typing import Final

import numpy as np

from kexport.ir import Builder, Node, Value
from kexport.passes import Rewriter

#: Ops that know more and less.
ORDERED: Final = (
    *["maximum", "minimum", "reduce_max", "reduce_min", "top_k", "argmax", "argmin"],
    *["less", "less_equal", "greater", "greater_equal"],
)

_MOST: Final = float(np.nextafter(np.float64(2**64), 0))


def of_integers(node: Node, rewriter: Rewriter) -> list[Value] | None:
    """What an op on integers comes to without casts that lose some; None where it does not matter."""
    dtype, b = node.input(0).dtype, rewriter.builder
    if node.op == "relu" and dtype.startswith(("int", "uint")):
        return [_relu(b, node.input(0))]
    if dtype != "uint64":
        return None
    if node.op == "clip":
        return [_clip(b, node)]
    return _ordered(b, node) if node.op in ORDERED else None


def _ordered(b: Builder, node: Node) -> list[Value]:
    """On int64, 2^63 less."""
    half = b.constant(np.array(np.iinfo(np.int64).min), "int64", name="half")
    inputs = [b.op("add", _bits(b, value), half) for value in node.inputs if value is not None]
    pairs = zip(b.ops(node.op, *inputs, **node.attrs), node.outputs, strict=True)
    keeps = not node.op.startswith("arg")
    return [
        b.op("cast", b.op("sub", made, half), dtype="uint64") if keeps and old.dtype == "uint64" else made
        for made, old in pairs
    ]


def _clip(b: Builder, node: Node) -> Value:
    """The larger of it and one bound, the smaller of it and the other."""
    value = b.op("identity", node.input(0))
    for op, bound in (("maximum", node.attrs["min"]), ("minimum", node.attrs["max"])):
        if np.isfinite(bound):
            limit = np.array(min(max(bound, 0.0), _MOST), np.uint64)
            value = b.op(op, value, b.constant(limit, "uint64", name="limit"))
    return value


def _relu(b: Builder, x: Value) -> Value:
    """The larger of it and 0."""
    return b.op("identity", x) if x.dtype.startswith("uint") else b.op("maximum", x, b.scalar(0, x))


def _bits(b: Builder, value: Value) -> Value:
    if value.constant is None:
        return b.op("cast", value, dtype="int64")
    return b.constant(value.constant.map(lambda array: array.astype(np.int64), dtype="int64"), name="bits")
