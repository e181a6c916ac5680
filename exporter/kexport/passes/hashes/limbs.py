"""Unsigned 64-bit arithmetic for targets that multiply, shift and combine no more than 32 bits.

A number is four *limbs* of 16 bits along the last axis, the lowest first, in int32: (…, 4). Every step stays below 2**31, so
that nothing depends on how a runtime's integers overflow.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kexport.ir import Array, Builder, Value

LIMBS = 4
BITS = 16
_RADIX = 1 << BITS

MOST_IN_INT32 = 1 << 30
"""The largest divisor of :func:`modulo_in_int32`."""


def limbs_of(number: int) -> list[int]:
    """The limbs of ``number`` mod 2**64."""
    return [number >> (BITS * index) & (_RADIX - 1) for index in range(LIMBS)]


def factor_table(factor: int) -> Array:
    """What :func:`times` multiplies by: int32 (8, 4); row p, column i is byte ``p - 2 i`` of ``factor``, 0 where there is none.

    Limb i times byte j counts at byte i * 2 + j of the product.
    """
    data = [factor >> (8 * index) & 0xFF for index in range(8)]
    rows = [[data[p - 2 * i] if p >= 2 * i else 0 for i in range(LIMBS)] for p in range(8)]
    return np.asarray(rows, np.int32)


def int32(b: Builder, numbers: Array | Sequence[int] | int, name: str = "number") -> Value:
    """A constant of int32."""
    return b.constant(np.asarray(numbers, np.int32), name=name)


def part(b: Builder, x: Value, begin: int, end: int) -> Value:
    """Elements ``begin`` to ``end`` of the last axis."""
    lead = x.rank - 1
    return b.op("slice", x, begin=(*(0,) * lead, begin), end=(*(None,) * lead, end), strides=(1,) * x.rank)


def carried(b: Builder, x: Value) -> Value:
    """``x`` (…, 4), whose limbs may be anything below 2**30, with limbs of 16 bits again; what is beyond 64 bits goes."""
    limbs = [*b.ops("split", x, axis=x.rank - 1, sizes=(1,) * LIMBS)]
    width = int32(b, BITS)
    for index in range(1, LIMBS):
        carry = b.op("right_shift", limbs[index - 1], width)
        limbs[index] = b.op("add", limbs[index], carry)
    return b.op("mod", b.op("concat", *limbs, axis=x.rank - 1), int32(b, _RADIX))


def plus(b: Builder, *terms: Value) -> Value:
    """The sum of numbers (…, 4)."""
    total = terms[0]
    for term in terms[1:]:
        total = b.op("add", total, term)
    return carried(b, total)


def times(b: Builder, x: Value, table: Value) -> Value:
    """``x`` (…, 4), limbs below 2**18, times the factor of a table (…, 8, 4) that broadcasts to it."""
    spread = b.op("mul", b.op("expand_dims", x, axes=(x.rank - 1,)), table)
    total = b.op(
        "reduce_sum", spread, axes=(spread.rank - 1,)
    )  # (…, 8): the product's bytes, each below 2**28
    pairs = b.op("reshape", total, shape=(*total.shape[:-1], LIMBS, 2))
    even, odd = b.ops("split", pairs, axis=pairs.rank - 1, sizes=(1, 1))
    even, odd = (b.op("squeeze", half, axes=(pairs.rank - 1,)) for half in (even, odd))
    byte = int32(b, 256)
    low = b.op("mul", b.op("mod", odd, byte), byte)
    above = part(b, b.op("right_shift", odd, int32(b, 8)), 0, LIMBS - 1)
    high = b.op("pad", above, pads=(*((0, 0),) * (above.rank - 1), (1, 0)))
    return carried(b, b.op("add", b.op("add", even, low), high))


def rotated(b: Builder, x: Value, bits: Sequence[int], order: Sequence[int] | None = None) -> Value:
    """Numbers side by side, (…, 4 n), number i rotated right by ``bits[i]``; ``order`` picks and orders them before.

    A limb of the result has the upper bits of one limb and the lower ones of the next above it.
    """
    order = range(len(bits)) if order is None else order
    first, second, shifts = [], [], []
    for source, amount in zip(order, bits, strict=True):
        jump, shift = divmod(amount % 64, BITS)
        base = LIMBS * source
        first += [base + (i + jump) % LIMBS for i in range(LIMBS)]
        second += [base + (i + jump + 1) % LIMBS for i in range(LIMBS)]
        shifts += [shift] * LIMBS
    axis = x.rank - 1
    upper = b.op("gather", x, int32(b, first, "limbs"), axis=axis)
    if not any(shifts):
        return upper
    lower = b.op("gather", x, int32(b, second, "limbs"), axis=axis)
    amounts = np.asarray(shifts, np.int32)
    kept = b.op("mod", lower, int32(b, 1 << amounts))
    moved = b.op("mul", kept, int32(b, 1 << (BITS - amounts)))
    return b.op("add", b.op("right_shift", upper, int32(b, amounts)), moved)


def xor(b: Builder, x: Value, y: Value) -> Value:
    """``x ^ y``."""
    return b.op("bitwise_xor", x, y)


def shift_mixed(b: Builder, x: Value) -> Value:
    """``x ^ (x >> 47)``: the highest 17 bits, in the two lowest limbs of the shifted number."""
    none = ((0, 0),) * (x.rank - 1)
    longer = b.op("pad", x, pads=(*none, (0, 1)))
    upper = b.op("right_shift", part(b, longer, 2, 4), int32(b, 15))
    lower = b.op("mul", b.op("mod", part(b, longer, 3, 5), int32(b, 1 << 15)), int32(b, 2))
    shifted = b.op("pad", b.op("add", upper, lower), pads=(*none, (0, 2)))
    return xor(b, x, shifted)


def modulo(b: Builder, x: Value, divisor: int) -> Value:
    """``x`` (…, 4) mod ``divisor`` (at most 2**46), unsigned, in int64 (…): Horner's rule from the highest limb down."""
    wide = b.op("cast", x, dtype="int64")
    low, *rest = b.ops("split", wide, axis=x.rank - 1, sizes=(1,) * LIMBS)
    by, radix = b.constant(divisor, "int64"), b.constant(_RADIX, "int64")
    result = b.op("mod", rest[-1], by)
    for limb in (*rest[-2::-1], low):
        result = b.op("mod", b.op("add", b.op("mul", result, radix), limb), by)
    return b.op("squeeze", result, axes=(x.rank - 1,))


def modulo_in_int32(b: Builder, x: Value, divisor: int) -> Value:
    """The same in int32, of a divisor of at most :data:`MOST_IN_INT32`: digits of as many bits as leave every step below 2**31."""
    bits = next(width for width in (16, 8, 4, 2, 1) if divisor << width <= 1 << 31)
    by, radix = int32(b, divisor), int32(b, 1 << bits)
    result: Value | None = None
    for limb in reversed(b.ops("split", x, axis=x.rank - 1, sizes=(1,) * LIMBS)):
        for place in range(BITS - bits, -1, -bits):
            digit = b.op("mod", b.op("right_shift", limb, int32(b, place)), radix)
            ahead = digit if result is None else b.op("add", b.op("mul", result, radix), digit)
            result = b.op("mod", ahead, by)
    assert result is not None
    return b.op("squeeze", result, axes=(x.rank - 1,))


def from_int32(b: Builder, x: Value) -> Value:
    """Integers (N,) of int32 as limbs (N, 4), negative ones in two's complement: the two upper limbs are the sign."""
    column = b.op("expand_dims", x, axes=(1,))
    upper = b.op("right_shift", column, int32(b, BITS))
    sign = b.op("right_shift", upper, int32(b, BITS))
    return b.op("mod", b.op("concat", column, upper, sign, sign, axis=1), int32(b, _RADIX))


def from_integers(b: Builder, x: Value) -> Value:
    """Integers (N,) of int64 as limbs (N, 4), negative ones in two's complement.

    The remainders of 2**16, 2**32, 2**48 differ by one limb each, times a power of two. A limb times a power of two is a float32
    exactly, and so is its quotient.
    """
    powers = [1 << (BITS * index) for index in range(LIMBS)]
    column = b.op("expand_dims", x, axes=(1,))
    remainders = b.op("mod", column, b.constant(powers, "int64", name="powers"))  # the first is 0
    whole = b.op("concat", remainders, column, axis=1)
    steps = b.op("sub", part(b, whole, 1, LIMBS + 1), part(b, whole, 0, LIMBS))
    scales = b.constant([1 / power for power in powers], "float32", name="scales")
    limbs = b.op("cast", b.op("mul", b.op("cast", steps, dtype="float32"), scales), dtype="int32")
    return b.op("mod", limbs, int32(b, _RADIX))
