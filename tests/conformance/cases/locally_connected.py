"""Locally connected layers, which Keras 2 alone has, in each of the three ways in which it keeps their weights."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .case import Case, layer_case


def _case(rank: int, label: str, shape: tuple[int, ...], **arguments: Any) -> Case:
    # A bias that is not zero, and other numbers at each position.
    biased = {"bias_initializer": "random_normal"} if arguments.get("use_bias", True) else {}
    return layer_case(f"LocallyConnected{rank}D", label, shape, ("keras2",), filters=5, **biased, **arguments)


def _locally_connected() -> Iterable[Case]:
    for rank, shape, window, strides in ((1, (9, 4), (3,), (2,)), (2, (6, 7, 3), (3, 2), (2, 1))):
        first = (shape[-1], *shape[:-1])
        for way in (1, 2, 3):
            yield _case(rank, f"{way}", shape, kernel_size=window, implementation=way)
            yield _case(rank, f"{way}-strides", shape, kernel_size=window, strides=strides, implementation=way, activation="relu")
            yield _case(rank, f"{way}-first", first, kernel_size=window, strides=strides, implementation=way, data_format="channels_first")
        for way in (2, 3):
            even = tuple(size - size % 2 + 2 for size in window)
            yield _case(rank, f"{way}-same", shape, kernel_size=window, padding="same", implementation=way)
            yield _case(rank, f"{way}-same-strides", shape, kernel_size=even, strides=strides, padding="same", implementation=way, use_bias=False)
            yield _case(rank, f"{way}-same-first", first, kernel_size=even, padding="same", implementation=way, data_format="channels_first")


CASES = tuple(_locally_connected())
