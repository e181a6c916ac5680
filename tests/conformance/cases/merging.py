"""Merge layers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .case import Case


def merge_case(class_name: str, label: str, shapes: list[tuple[int | None, ...]], **arguments: Any) -> Case:
    """A merge layer on inputs of ``shapes``."""

    def build(keras: Any) -> Any:
        inputs = [keras.Input(shape, name=f"x{index}") for index, shape in enumerate(shapes)]
        return keras.Model(inputs, getattr(keras.layers, class_name)(**arguments, name="layer")(inputs))

    return Case(f"{class_name}-{label}", build)


def _merges() -> Iterable[Case]:
    for name in ("Add", "Multiply", "Average", "Maximum", "Minimum"):
        yield merge_case(name, "three", [(4, 3)] * 3)
        yield merge_case(name, "broadcast", [(4, 3), (1, 3)])
        yield merge_case(name, "ranks", [(4, 3), (3,)] if name == "Add" else [(4, 3), (4, 3)])
    yield merge_case("Subtract", "two", [(4, 3)] * 2)
    yield merge_case("Concatenate", "last", [(4, 3), (4, 5)])
    yield merge_case("Concatenate", "axis1", [(4, 3), (2, 3), (1, 3)], axis=1)
    yield merge_case("Dot", "vectors", [(5,), (5,)], axes=1)
    yield merge_case("Dot", "matrices", [(4, 5), (5, 3)], axes=(2, 1))
    yield merge_case("Dot", "normalize", [(4, 5), (3, 5)], axes=2, normalize=True)


def _masked(keras: Any) -> Any:
    """Merges of sequences that mask other steps than one another, and of masked and plain ones; what reads the result's mask."""
    layers = keras.layers
    tokens, others = (keras.Input((6,), dtype="int32", name=name) for name in ("tokens", "others"))
    plain = keras.Input((6, 4), name="plain")
    embed = layers.Embedding(4, 4, mask_zero=True, embeddings_initializer="normal")
    x, y = embed(tokens), embed(others)
    made = []
    for name in ("Add", "Multiply", "Average", "Maximum", "Minimum"):
        for inputs in ([x, y], [x, plain], [plain, x, y]):
            merged = getattr(layers, name)()(inputs)
            made += [merged, layers.LSTM(3)(merged)]
    return keras.Model([tokens, others, plain], made)


CASES: tuple[Case, ...] = (
    *_merges(),
    Case("Multiply-masked", _masked, integers={0: 4, 1: 4}),
)
