"""uint64: LiteRT moves its bits and casts none (tflite/kernels/cast.cc, commit f67457790c9c), so what computes is done in int64.

The bits are the same: a number of 2^63 and more is the int64 that is 2^64 less. Sums, products and tests for equality come out the
same in both; for an order, 2^63 is taken off both sides.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from kexport.ir import Builder, Node, Value, dtypes
from kexport.passes import Rewriter
from kexport_targets.tflite.legalize.registry import legalizes

#: Ops whose result's bits are those of the op on int64.
_SAME_BITS: Final = frozenset(
    [
        *["add", "sub", "mul", "neg", "square", "squared_difference", "cumsum", "reduce_sum", "reduce_prod"],
        *[
            "equal",
            "not_equal",
            "broadcast_to",
            "concat",
            "gather",
            "pad",
            "reverse",
            "split",
            "tile",
            "transpose",
        ],
    ]
)

#: Ops that know more and less.
_ORDERED: Final = frozenset(
    [
        *["maximum", "minimum", "reduce_max", "reduce_min", "top_k", "argmax", "argmin"],
        *["less", "less_equal", "greater", "greater_equal"],
    ]
)

_HALF: Final = float(2**63)


def in_int64(node: Node, rewriter: Rewriter) -> list[Value] | None:
    """The op on the bits as int64; None where that is another function."""
    b = rewriter.builder
    if node.op in _SAME_BITS:
        inputs = [value if value is None else _bits(b, value, "int64") for value in node.inputs]
        made = b.ops(node.op, *inputs, **node.attrs)
        pairs = zip(made, node.outputs, strict=True)
        return [_bits(b, value, "uint64") if old.dtype == "uint64" else value for value, old in pairs]
    if node.op == "clip":
        return [_clip(b, node)]
    if node.op not in _ORDERED:
        return None
    offset = b.constant(np.array(np.iinfo(np.int64).min), "int64", name="half")
    inputs = [b.op("add", _bits(b, value, "int64"), offset) for value in node.inputs if value is not None]
    pairs = zip(b.ops(node.op, *inputs, **node.attrs), node.outputs, strict=True)
    return [
        _bits(b, b.op("sub", value, offset), "uint64") if value.dtype != old.dtype else value
        for value, old in pairs
    ]


def _clip(b: Builder, node: Node) -> Value:
    value, most = node.input(0), float(np.nextafter(np.float64(2 * _HALF), 0))
    for op, bound in (("maximum", node.attrs["min"]), ("minimum", node.attrs["max"])):
        if np.isfinite(bound):
            limit = np.array(min(max(bound, 0.0), most), np.uint64)
            value = b.op(op, value, b.constant(limit, "uint64", name="limit"))
    return value if value is not node.input(0) else b.op("identity", value)


def _bits(b: Builder, value: Value, dtype: str) -> Value:
    """The bits of a 64-bit value in another dtype; other values as they are."""
    if value.dtype not in ("int64", "uint64") or value.dtype == dtype:
        return value
    if value.constant is None:
        return b.op("bitcast", value, dtype=dtype)
    made = value.constant.map(lambda array: array.view(dtypes.numpy_dtype(dtype)), dtype=dtype)
    return b.constant(made, name="bits")


@legalizes("cast")
def casts(node: Node, rewriter: Rewriter) -> Value | None:
    """Casts by way of int64; floats of 2^63 and more, and numbers of that size as floats, 2^63 or 2^64 apart from it."""
    x, dtype, b = node.input(0), node.output.dtype, rewriter.builder
    if x.dtype == dtype or "uint64" not in (x.dtype, dtype):
        return None
    if x.dtype == "uint64":
        bits = _bits(b, x, "int64")
        if dtype == "int64":
            return bits
        if not dtypes.is_float(dtype):
            return b.op("cast", bits, dtype=dtype)
        signed = b.op("cast", bits, dtype="float32")
        whole = b.op("add", signed, b.scalar(2 * _HALF, signed))
        positive = b.op("select", b.op("less", bits, b.scalar(0, bits)), whole, signed)
        return positive if dtype == "float32" else b.op("cast", positive, dtype=dtype)
    if not dtypes.is_float(x.dtype):
        return (
            _bits(b, b.op("cast", x, dtype="int64"), "uint64")
            if x.dtype != "int64"
            else _bits(b, x, "uint64")
        )
    x = x if x.dtype == "float32" else b.op("cast", x, dtype="float32")
    large = b.op("greater_equal", x, b.scalar(_HALF, x))
    below = b.op("cast", b.op("sub", x, b.scalar(_HALF, x)), dtype="int64")
    offset = b.constant(np.array(np.iinfo(np.int64).min), "int64", name="half")
    upper = b.op("add", below, offset)
    return _bits(b, b.op("select", large, upper, b.op("cast", x, dtype="int64")), "uint64")
