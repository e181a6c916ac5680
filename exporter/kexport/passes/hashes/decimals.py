"""Integers as the text that hash functions read: decimal digits with a minus sign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from kexport.ir import Builder, Value
from kexport.passes.hashes.limbs import int32, part

#: Dtype → digits of its longest number.
DIGITS: Final = {
    **dict.fromkeys(["int8", "uint8"], 3),
    **dict.fromkeys(["int16", "uint16"], 5),
    **dict.fromkeys(["int32", "uint32"], 10),
    "int64": 19,
}


@dataclass(frozen=True)
class Decimals:
    """The decimal text of N integers.

    Attributes:
        characters: int32 (N, width), the codes of the characters, the last one in the last column; what stands before the text
            is of no meaning.
        length: int32 (N,).
        width: the length of the longest text of the dtype.
    """

    characters: Value
    length: Value
    width: int


def decimals(b: Builder, x: Value) -> Decimals:
    """The text that ``tf.as_string`` makes of integers (N,) of a dtype of :data:`DIGITS`.

    Everything is done on ``-|x|``, which has a place for the least integer too. Its remainders of the powers of ten, which a
    negative divisor keeps negative, differ by one digit times a power of ten; how many times is found by comparing.
    """
    digits = DIGITS[x.dtype]
    wide = x if x.dtype == "int64" else b.op("cast", x, dtype="int64")
    column = b.op("expand_dims", wide, axes=(1,))
    below = b.op("minimum", column, b.op("neg", column))
    powers = [10**place for place in range(digits - 1, -1, -1)]
    # The remainder of 1 is 0; asked for, that of the least integer and -1 would end the process on x86.
    divisors = b.constant([-power for power in powers[:-1]], "int64", name="powers")
    remainders = b.op("pad", b.op("mod", below, divisors), pads=((0, 0), (0, 1)))
    whole = b.op("concat", below, remainders, axis=1)
    steps = b.op("sub", part(b, whole, 1, digits + 1), part(b, whole, 0, digits))
    table = np.multiply.outer(powers, np.arange(1, 10))
    if x.dtype not in {
        "uint32",
        "int64",
    }:  # what no step reaches need not be larger than integers of 32 bits are
        table = np.minimum(table, np.iinfo(np.int32).max)
    multiples = b.constant(table, "int64", name="multiples")
    reached = b.op("greater_equal", b.op("expand_dims", steps, axes=(2,)), multiples)
    values = b.op("reduce_sum", b.op("cast", reached, dtype="int32"), axes=(2,))

    places = int32(b, np.arange(digits, 0, -1), "places")
    nonzero = b.op("cast", b.op("greater", values, int32(b, 0)), dtype="int32")
    count = b.op("maximum", b.op("reduce_max", b.op("mul", nonzero, places), axes=(1,)), int32(b, 1))
    negative = b.op("less", wide, b.constant(0, "int64"))
    length = b.op("add", count, b.op("cast", negative, dtype="int32"))

    codes = b.op("add", b.op("pad", values, pads=((0, 0), (1, 0))), int32(b, ord("0")))
    columns = int32(b, np.arange(digits + 1, 0, -1), "columns")
    first = b.op("equal", columns, b.op("expand_dims", length, axes=(1,)))
    signed = b.op("logical_and", first, b.op("expand_dims", negative, axes=(1,)))
    return Decimals(b.op("select", signed, int32(b, ord("-")), codes), length, digits + 1)
