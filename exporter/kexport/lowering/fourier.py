"""Frames of signals and their discrete Fourier transforms, in products of real matrices.

A transform of N = n m points is n transforms of m and m of n, with a multiplication in between (Cooley and Tukey, 1965): two small
matrices and n m factors in place of one of N^2, which is less to store, to compute and to round.
"""

from __future__ import annotations

import math

import numpy as np

from kexport.ir import Array, Builder, Dim, Value, dims


def frames(b: Builder, x: Value, length: int, step: int) -> Value:
    """``x`` (batch, time) as (batch, frames, length): frame i is ``x[i * step : i * step + length]``, as many as there are whole ones.

    Signals of a known length are cut into pieces of which frames and steps are whole numbers, and pieces are gathered.
    """
    time = x.shape[1]
    count = dims.add(dims.floor_div(dims.add(time, -length), step), 1)
    piece = math.gcd(length, step) if isinstance(time, int) else 1
    if piece > 1 and isinstance(count, int) and isinstance(time, int):
        used = (count - 1) * step + length
        x = b.op("slice", x, begin=(0, 0), end=(None, used), strides=(1, 1))
        x = b.op("reshape", x, shape=(x.shape[0], used // piece, piece))
    starts = b.op("mul", _counting(b, count), b.constant(step // piece, "int32"))
    inside = b.constant(np.arange(length // piece), "int32", name="inside")
    places = b.op("add", b.op("expand_dims", starts, axes=(1,)), inside)
    return b.op("reshape", b.op("gather", x, places, axis=1), shape=(x.shape[0], count, length))


def _counting(b: Builder, count: Dim) -> Value:
    """0, 1, 2 and so on: int32 (count,)."""
    if isinstance(count, int):
        return b.constant(np.arange(count), "int32", name="frames")
    ones = b.op("broadcast_to", b.constant([1], "int32", name="one"), shape=(count,))
    return b.op("cumsum", ones, axis=0, exclusive=True)


def _factors(length: int) -> tuple[int, int]:
    """Two factors of ``length``, the smaller one first, as near to each other as there are."""
    first = next(n for n in range(math.isqrt(length), 0, -1) if length % n == 0)
    return first, length // first


def _circle(rows: Array, columns: Array, length: int) -> tuple[Array, Array]:
    """Cosines and sines of ``-2 pi row column / length``, (rows, columns), worked out in float64."""
    angles = -2 * np.pi * (np.multiply.outer(rows, columns) % length) / length
    return np.cos(angles), np.sin(angles)


def real_transform(b: Builder, x: Value) -> tuple[Value, Value]:
    """The real and the imaginary parts (…, length // 2 + 1) of the transforms of real ``x`` (…, length); three dimensions.

    With ``t = m i + j`` and ``f = k + n l``, ``e(t f / N) = e(i k / n) e(j k / N) e(j l / m)``.
    """
    length = int(str(x.shape[2]))
    n, m = _factors(length)
    bins = length // 2 + 1
    lead = x.shape[:2]
    # (…, j, i) times (i, k): real and imaginary parts side by side.
    points = b.op("transpose", b.op("reshape", x, shape=(*lead, n, m)), perm=(0, 1, 3, 2))
    first = np.concatenate(_circle(np.arange(n), np.arange(n), n), axis=1)
    inner = b.op("dense", points, b.constant(first, x.dtype, name="inner"))
    real, imaginary = b.ops("split", inner, axis=3, sizes=(n, n))
    cosines, sines = (
        b.constant(part, x.dtype, name="twiddle") for part in _circle(np.arange(m), np.arange(n), length)
    )
    turned = [
        b.op("sub", b.op("mul", real, cosines), b.op("mul", imaginary, sines)),
        b.op("add", b.op("mul", real, sines), b.op("mul", imaginary, cosines)),
    ]
    # (…, k, j) times (j, l), complex: the parts of j side by side, then those of l.
    both = b.op("concat", *(b.op("transpose", part, perm=(0, 1, 3, 2)) for part in turned), axis=3)
    last = -(-bins // n)
    cosines_, sines_ = _circle(np.arange(m), np.arange(last), m)
    second = np.block([[cosines_, sines_], [-sines_, cosines_]])
    outer = b.op("dense", both, b.constant(second, x.dtype, name="outer"))
    found = []
    for part in b.ops("split", outer, axis=3, sizes=(last, last)):
        ordered = b.op("reshape", b.op("transpose", part, perm=(0, 1, 3, 2)), shape=(*lead, last * n))
        found.append(b.op("slice", ordered, begin=(0, 0, 0), end=(None, None, bins), strides=(1, 1, 1)))
    return found[0], found[1]
