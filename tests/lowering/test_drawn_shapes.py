"""Layers that move elements, and those that merge tensors, of drawn shapes, against Keras, in NumPy and on the targets' runtimes."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lowering.live_model import check

FEW = settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
length = st.integers(1, 5)
layout = st.sampled_from(["channels_last", "channels_first"])
kinds = st.sampled_from(["float32", "float32", "int32", "float16"])


def shapes(least: int, most: int) -> st.SearchStrategy[tuple[int, ...]]:
    return st.lists(length, min_size=least, max_size=most).map(tuple)


@FEW
@given(shape=shapes(1, 3), dtype=kinds, data=st.data())
def test_reshape(shape: tuple[int, ...], dtype: str, data: st.DataObject) -> None:
    whole = rest = int(np.prod(shape))
    target: list[int] = []
    for _ in range(data.draw(st.integers(0, 3))):
        target.append(data.draw(st.sampled_from([n for n in range(1, rest + 1) if rest % n == 0])))
        rest //= target[-1]
    target.append(rest)
    assert np.prod(target) == whole
    if data.draw(st.booleans()):
        target[data.draw(st.integers(0, len(target) - 1))] = -1
    check(lambda layers: layers.Reshape(tuple(target)), shape, dtype=dtype, targets=True)


@FEW
@given(shape=shapes(1, 4), dtype=kinds, data=st.data())
def test_permute_flatten_and_repeat(shape: tuple[int, ...], dtype: str, data: st.DataObject) -> None:
    dims = tuple(data.draw(st.permutations(range(1, len(shape) + 1))))

    def build(layers: Any) -> Any:
        flat = layers.Flatten(data_format=data.draw(layout))
        return lambda x: layers.RepeatVector(2)(flat(layers.Permute(dims)(x)))

    check(build, shape, dtype=dtype, targets=True)


def amounts(data: st.DataObject, rank: int, most: list[int]) -> Any:
    """An argument of a padding or a cropping: a number a dimension, or one before and one after; ``most`` in all of each."""

    def pair(limit: int) -> tuple[int, int]:
        before = data.draw(st.integers(0, limit))
        return before, data.draw(st.integers(0, limit - before))

    if rank > 1 and data.draw(st.booleans()):
        return tuple(data.draw(st.integers(0, limit // 2)) for limit in most)
    pairs = tuple(pair(limit) for limit in most)
    return pairs if rank > 1 else pairs[0]


@FEW
@given(data=st.data(), rank=st.integers(1, 3), form=layout, dtype=kinds)
def test_padding_cropping_and_upsampling(data: st.DataObject, rank: int, form: str, dtype: str) -> None:
    lengths = data.draw(st.tuples(*[length] * rank))
    shape = (2, *lengths) if form == "channels_first" else (*lengths, 2)
    named = {} if rank == 1 else {"data_format": form}
    if rank == 1:
        shape = (*lengths, 2)
    match data.draw(st.sampled_from(["pad", "crop", "up"])):
        case "pad":
            padding = amounts(data, rank, [4] * rank)
            check(
                lambda k: getattr(k, f"ZeroPadding{rank}D")(padding, **named),
                shape,
                dtype=dtype,
                targets=True,
            )
        case "crop":
            cropping = amounts(data, rank, [n - 1 for n in lengths])
            check(
                lambda k: getattr(k, f"Cropping{rank}D")(cropping, **named), shape, dtype=dtype, targets=True
            )
        case _:
            size = (
                data.draw(st.integers(1, 3))
                if rank == 1
                else data.draw(st.tuples(*[st.integers(1, 3)] * rank))
            )
            check(lambda k: getattr(k, f"UpSampling{rank}D")(size, **named), shape, targets=True)


def broadcasting(data: st.DataObject, count: int) -> list[tuple[int, ...]]:
    """Shapes that broadcast to one, of fewer dimensions and of 1 in some."""
    whole = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    return [
        tuple(
            data.draw(st.sampled_from([1, dim])) for dim in whole[data.draw(st.integers(0, len(whole) - 1)) :]
        )
        for _ in range(count)
    ]


@FEW
@given(
    name=st.sampled_from(["Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"]),
    dtype=st.sampled_from(["float32", "float32", "int32"]),
    data=st.data(),
)
def test_merges(name: str, dtype: str, data: st.DataObject) -> None:
    # Keras declares the Average of integers float32, and on TensorFlow computes float64.
    dtype = "float32" if name == "Average" else dtype
    tensors = broadcasting(data, 2 if name == "Subtract" else data.draw(st.integers(2, 4)))
    # More samples than any dimension has, for Keras's add: see test_against_keras.py.
    check(lambda layers: getattr(layers, name)(), *tensors, samples=5, dtype=dtype, targets=True)


@FEW
@given(shape=shapes(1, 3), count=st.integers(2, 4), dtype=kinds, data=st.data())
def test_concatenate(shape: tuple[int, ...], count: int, dtype: str, data: st.DataObject) -> None:
    axis = data.draw(st.integers(1, len(shape)))
    tensors = [(*shape[: axis - 1], data.draw(length), *shape[axis:]) for _ in range(count)]
    given_axis = axis if data.draw(st.booleans()) else axis - len(shape) - 1
    check(lambda layers: layers.Concatenate(axis=given_axis), *tensors, dtype=dtype, targets=True)


@FEW
@given(rank_a=st.integers(1, 3), rank_b=st.integers(1, 3), normalize=st.booleans(), data=st.data())
def test_dot(rank_a: int, rank_b: int, normalize: bool, data: st.DataObject) -> None:
    axes = data.draw(st.integers(1, rank_a)), data.draw(st.integers(1, rank_b))
    a, b = (data.draw(st.lists(length, min_size=rank, max_size=rank)) for rank in (rank_a, rank_b))
    b[axes[1] - 1] = a[axes[0] - 1]
    check(lambda layers: layers.Dot(axes=axes, normalize=normalize), tuple(a), tuple(b), targets=True)
