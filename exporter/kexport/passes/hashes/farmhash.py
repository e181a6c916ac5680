"""FarmHash's Fingerprint64, which ``tf.strings.to_hash_bucket_fast`` computes, of integers' decimal text.

The functions are those of farmhash.cc's ``farmhashna`` (HashLen0to16, HashLen17to32), for at most 20 characters. What differs
between lengths is in tables that the length indexes, so that one computation serves all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np

from kexport.ir import Array, Builder, Value
from kexport.passes.hashes.decimals import Decimals
from kexport.passes.hashes.limbs import (
    LIMBS,
    factor_table,
    int32,
    limbs_of,
    part,
    plus,
    rotated,
    shift_mixed,
    times,
    xor,
)

_K0: Final = 0xC3A5C85C97CB3127
_K1: Final = 0xB492B66FBE98F273
_K2: Final = 0x9AE16A3B2F90404F

#: What a length's row of a table is.
_Table: TypeAlias = Callable[[int], Array]

#: Lengths up to which a text is short, of middle length, long.
_SHORT, _MIDDLE, _LONG = 3, 7, 16


class _Lengths:
    """The texts' lengths, and what depends on them."""

    def __init__(self, b: Builder, text: Decimals) -> None:
        self._b, self._width = b, text.width
        self._row = b.op("sub", text.length, int32(b, 1))
        self._column = b.op("expand_dims", text.length, axes=(1,))

    def table(self, of: _Table) -> Value:
        """Each text's row of the table that has ``of(length)`` for lengths from 1 up."""
        rows = np.stack([of(length) for length in range(1, self._width + 1)])
        return self._b.op("gather", int32(self._b, rows, "by_length"), self._row)

    def choose(self, above: int, to: int, yes: Value, no: Value) -> Value:
        """``yes`` for the texts longer than ``above`` and at most of length ``to``."""
        b = self._b
        chosen = b.op("less_equal", self._column, int32(b, to))
        if above:
            chosen = b.op("logical_and", chosen, b.op("greater", self._column, int32(b, above)))
        return b.op("select", chosen, yes, no)


def fingerprints(b: Builder, text: Decimals) -> Value:
    """The hashes of N texts: limbs (N, 4)."""
    words = _words(b, text)
    lengths = _Lengths(b, text)
    x0, x1, *_ = words
    k2 = int32(b, limbs_of(_K2))
    sum_a = plus(b, x0, k2)
    turned = plus(b, rotated(b, sum_a, (25,)), x1)
    left = lengths.choose(_MIDDLE, _LONG, rotated(b, x1, (37,)), x0)
    right = lengths.choose(_MIDDLE, _LONG, turned, x1)
    stacked = [left, right, *words[3:]]
    product = times(b, _stack(b, stacked), lengths.table(_first_factors(len(stacked))))
    u, v, *rest = (b.op("squeeze", one, axes=(1,)) for one in _rows(b, product))
    none = int32(b, [0] * LIMBS)
    u = plus(b, u, lengths.choose(_MIDDLE, _LONG, sum_a, none))
    if rest:
        longer = _longest(b, u, v, rest[0], words[2], k2)
        u = lengths.choose(_LONG, text.width, longer[0], u)
        v = lengths.choose(_LONG, text.width, longer[1], v)
    # HashLen16(u, v, mul); of a short text only the last line, with another factor.
    mixed = xor(b, u, v)
    factor = lengths.table(lambda length: factor_table(_mul(length)))
    a = shift_mixed(b, times(b, mixed, factor))
    last = lengths.choose(0, _SHORT, mixed, times(b, xor(b, v, a), factor))
    final = lengths.table(lambda length: factor_table(_K2 if length <= _SHORT else _mul(length)))
    return times(b, shift_mixed(b, last), final)


def _longest(b: Builder, a: Value, c: Value, d: Value, second: Value, k2: Value) -> tuple[Value, Value]:
    """HashLen17to32's two numbers from ``F(s) k1``, ``F(end - 8) mul``, ``F(end - 16) k2`` and ``F(s + 8)``."""
    u = plus(b, rotated(b, plus(b, a, second), (43,)), rotated(b, c, (30,)), d)
    v = plus(b, a, rotated(b, plus(b, second, k2), (18,)), c)
    return u, v


def _mul(length: int) -> int:
    return _K2 + 2 * length


def _first_factors(count: int) -> _Table:
    def factors(length: int) -> Array:
        if length <= _SHORT:
            pair = [_K2, _K0]
        elif length <= _MIDDLE:
            pair = [1, 1]
        else:
            pair = [_mul(length) if length <= _LONG else _K1, _mul(length)]
        return np.stack([factor_table(factor) for factor in [*pair, _K2][:count]])

    return factors


def _words(b: Builder, text: Decimals) -> list[Value]:
    """The numbers that a hash starts from, limbs (N, 4) each, not yet carried: two, or four where texts can be long.

    Of a short text y and z, of a middle one its first 4 characters times 8 plus its length and its last 4, else its first 8 and
    last 8; of long ones the second 8 and the last but 8.
    """
    count = 4 if text.width > _LONG else 2
    width = text.width

    def weights(length: int) -> Array:
        return _word_weights(length, width)[:count].reshape(count * LIMBS, width + 1)

    one = b.op("pad", text.characters, pads=((0, 0), (0, 1)), value=1)
    table = _Lengths(b, text).table(weights)
    products = b.op("mul", b.op("expand_dims", one, axes=(1,)), table)
    limbs = b.op("reduce_sum", products, axes=(2,))
    return [part(b, limbs, LIMBS * index, LIMBS * (index + 1)) for index in range(count)]


def _word_weights(length: int, width: int) -> Array:
    """(4, 4, width + 1): the weight of each right-aligned character, and of 1, in each limb of each word."""
    weights = np.zeros((4, LIMBS, width + 1), np.int64)
    start = width - length

    def fetch(word: int, first: int, size: int, scale: int = 1) -> None:
        for index in range(size):
            weights[word, index // 2, start + first + index] += scale << (8 * (index % 2))

    if length <= _SHORT:
        weights[0, 0, start] += 1
        weights[0, 0, start + length // 2] += 256
        weights[1, 0, start + length - 1] += 4
        weights[1, 0, width] += length
    elif length <= _MIDDLE:
        fetch(0, 0, 4, scale=8)
        weights[0, 0, width] += length
        fetch(1, length - 4, 4)
    else:
        fetch(0, 0, 8)
        fetch(1, length - 8, 8)
        if length > _LONG:
            fetch(2, 8, 8)
            fetch(3, length - 16, 8)
    return weights


def _stack(b: Builder, values: list[Value]) -> Value:
    return b.op("concat", *(b.op("expand_dims", value, axes=(1,)) for value in values), axis=1)


def _rows(b: Builder, x: Value) -> list[Value]:
    return b.ops("split", x, axis=1, sizes=(1,) * int(str(x.shape[1])))
