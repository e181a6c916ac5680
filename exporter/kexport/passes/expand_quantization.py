"""What quantized Keras layers do to their inputs, in float arithmetic: no format has Keras's levels."""

from __future__ import annotations

import math

import numpy as np

from kexport.ir import Graph, Node, Value
from kexport.ir.ops.quantization import FLOAT8_FRACTION_BITS, FLOAT8_LEAST_EXPONENT, FLOAT8_MAX
from kexport.passes.infrastructure import as_pass
from kexport.passes.rewriting import Rewriter

_FLOAT8_LARGEST_EXPONENT = int(math.log2(FLOAT8_MAX))


def _absmax_quantize(node: Node, rewriter: Rewriter) -> list[Value]:
    """``scale = high / (max |x| + epsilon)``, ``clip(round(x * scale))``, as Keras computes it: halves to even.

    (TFLite's FULLY_CONNECTED that quantizes its input itself, a hybrid one, has other levels.)
    """
    b, x = rewriter.builder, node.input(0)
    peak = b.op("reduce_max", b.op("abs", x), axes=node.attrs["axes"], keepdims=True)
    above = b.op("add", peak, b.scalar(node.attrs["epsilon"], x))
    scale = b.op("div", b.scalar(node.attrs["high"], x), above)
    rounded = b.op("round", b.op("mul", x, scale))
    return [b.op("clip", rounded, min=float(node.attrs["low"]), max=float(node.attrs["high"])), scale]


def _round_float8(node: Node, rewriter: Rewriter) -> list[Value]:
    """``round(x / q) * q``, where q is the distance of neighbours at x: a power of two from a table, at the exponent of x.

    The exponent is the floor of a logarithm that may be off by its rounding error. That is so only at numbers that near to a
    power of two, which rounds to itself at the distance of its neighbours on either side.
    """
    b, x = rewriter.builder, node.input(0)
    exponents = np.arange(FLOAT8_LEAST_EXPONENT, _FLOAT8_LARGEST_EXPONENT + 1)
    table = b.constant(np.ldexp(np.float32(1), exponents - FLOAT8_FRACTION_BITS), name="distances")
    log2 = b.op("mul", b.op("log", b.op("abs", x)), b.scalar(1 / math.log(2), x))
    index = b.op("add", b.op("floor", log2), b.scalar(float(-FLOAT8_LEAST_EXPONENT), x))
    inside = b.op("clip", index, min=0.0, max=float(len(exponents) - 1))
    quantum = b.op("gather", table, b.op("cast", inside, dtype="int32"))
    return [b.op("mul", b.op("round", b.op("div", x, quantum)), quantum)]


_RULES = {"absmax_quantize": _absmax_quantize, "round_float8": _round_float8}


def _rule(node: Node, rewriter: Rewriter) -> list[Value] | None:
    expand = _RULES.get(node.op)
    return None if expand is None else expand(node, rewriter)


@as_pass("expand_quantization")
def expand_quantization(graph: Graph) -> bool:
    """Make float arithmetic of what quantized layers do to their inputs.

    Given::

        levels, scale = absmax_quantize(x; axes=(1,))

    Result::

        scale = div(127, add(reduce_max(abs(x); axes=(1,), keepdims), 1e-7))
        levels = clip(round(mul(x, scale)); -127, 127)
    """
    return Rewriter(graph).run(_rule)
