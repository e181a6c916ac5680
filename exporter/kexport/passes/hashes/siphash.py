"""SipHash-2-4, which ``tf.strings.to_hash_bucket_strong`` computes, of integers' decimal text.

J.-P. Aumasson, D. J. Bernstein: "SipHash: a fast short-input PRF" (2012). A text is read in blocks of 8 bytes, the last one filled up
with zeros and with the length in its highest byte; texts of integers have up to three.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from kexport.ir import Array, Builder, Graph, TensorType, Value
from kexport.passes.hashes.decimals import Decimals
from kexport.passes.hashes.limbs import LIMBS, carried, int32, limbs_of, part, rotated, xor

_INITIAL: Final = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)

#: Blocks end, in pairs of rounds: two of them, of which the first has 0xff combined with v2.
_FINAL_PAIRS: Final = 2


def strong_hashes(b: Builder, text: Decimals, key: Sequence[int]) -> Value:
    """The hashes of N texts under a key of two numbers: limbs (N, 4).

    The state is kept as two values (N, 8): ``even`` has v0 and v2 side by side, ``odd`` v1 and v3. A step is two rounds; what a step
    combines with the state before and after is in sequences, for all steps.
    """
    v = [limbs_of(key[index % 2] ^ constant) for index, constant in enumerate(_INITIAL)]
    zero = b.op("mul", b.op("expand_dims", text.length, axes=(1,)), int32(b, [0] * 2 * LIMBS))
    even = b.op("add", zero, int32(b, [*v[0], *v[2]], "v0_v2"))
    odd = b.op("add", zero, int32(b, [*v[1], *v[3]], "v1_v3"))
    even, odd = _scanned(b, _sequences(b, text, zero), [even, odd])
    both = xor(b, even, odd)
    return xor(b, part(b, both, 0, LIMBS), part(b, both, LIMBS, 2 * LIMBS))


def _scanned(b: Builder, sequences: list[Value], states: list[Value]) -> list[Value]:
    """The states after all steps: one ``scan``."""
    steps = [b.input(f"{b.origin}/step", TensorType(value.dtype, value.shape[1:])) for value in sequences]
    before = [b.input(f"{b.origin}/state", value.type) for value in states]
    outside, b.nodes = b.nodes, []
    even, odd = xor(b, before[0], steps[0]), xor(b, before[1], steps[1])
    for _ in range(2):
        even, odd = _round(b, even, odd)
    after = [xor(b, even, steps[2]), odd]
    kept = [b.op("select", steps[3], new, old) for new, old in zip(after, before, strict=True)]
    inside, b.nodes = b.nodes, outside
    inputs = [*steps, *before]
    names = [value.name for value in inputs]
    body = Graph(f"{b.origin}/rounds", inputs, kept, inside, names, ["even", "odd"])
    return b.ops("scan", *sequences, *states, body=body, sequences=len(sequences), states=len(states))


def _sequences(b: Builder, text: Decimals, zero: Value) -> list[Value]:
    """For every step, what is combined with ``even`` and ``odd`` before and with ``even`` after it, (steps, N, 8), and whether the
    text has that block, (steps, N, 1)."""
    blocks = text.width // 8 + 1
    messages = [part(b, _messages(b, text, blocks), LIMBS * i, LIMBS * (i + 1)) for i in range(blocks)]
    none = ((0, 0), (0, 0))
    as_v0 = [b.op("pad", m, pads=(none[0], (0, LIMBS))) for m in messages]
    as_v3 = [b.op("pad", m, pads=(none[0], (LIMBS, 0))) for m in messages]
    closing = b.op("add", zero, int32(b, [0] * LIMBS + limbs_of(0xFF)))
    rest = [zero] * _FINAL_PAIRS
    length = b.op("expand_dims", text.length, axes=(1,))
    has = [b.op("greater_equal", length, int32(b, 8 * index)) for index in range(blocks)]
    always = b.op("greater_equal", length, int32(b, 0))
    columns = (
        [*[zero] * blocks, closing, zero],
        [*as_v3, *rest],
        [*as_v0, *rest],
        [*has, *[always] * _FINAL_PAIRS],
    )
    return [
        b.op("concat", *(b.op("expand_dims", v, axes=(0,)) for v in column), axis=0) for column in columns
    ]


def _messages(b: Builder, text: Decimals, blocks: int) -> Value:
    """The blocks of each text, limbs (N, 4 blocks); those after a text's last one are of no meaning."""
    width = text.width

    def weights(length: int) -> Array:
        table = np.zeros((blocks * LIMBS, width + 1), np.int32)
        for index in range(length):
            table[index // 2, width - length + index] = 256 if index % 2 else 1
        table[length // 8 * LIMBS + 3, width] = length << 8
        return table

    rows = np.stack([weights(length) for length in range(1, width + 1)])
    table = b.op("gather", int32(b, rows, "by_length"), b.op("sub", text.length, int32(b, 1)))
    one = b.op("pad", text.characters, pads=((0, 0), (0, 1)), value=1)
    return b.op("reduce_sum", b.op("mul", b.op("expand_dims", one, axes=(1,)), table), axes=(2,))


def _round(b: Builder, even: Value, odd: Value) -> tuple[Value, Value]:
    """SipRound: (v0, v2) and (v1, v3) in and out."""
    even = _sum(b, even, odd)
    odd = xor(b, rotated(b, odd, (64 - 13, 64 - 16)), even)
    even = _sum(b, rotated(b, even, (0, 32), (1, 0)), odd)  # v2 beside v1, v0 beside v3
    odd = xor(b, rotated(b, odd, (64 - 17, 64 - 21)), even)
    return rotated(b, even, (0, 32), (1, 0)), odd


def _sum(b: Builder, x: Value, y: Value) -> Value:
    """Two sums side by side."""
    total = b.op("add", x, y)
    pair = carried(b, b.op("reshape", total, shape=(total.shape[0], 2, LIMBS)))
    return b.op("reshape", pair, shape=total.shape)
