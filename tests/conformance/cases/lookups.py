"""Layers that look integers up or hash them, and encodings of categories."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .case import K3, Case

BOTH = ("keras3", "keras2")

#: Integers with gaps, and some far apart.
VOCABULARY = (7, 3, 12, 5, 17)
FAR = (7, 3, 10**9, 5, -(2**62))


def category_case(class_name: str, label: str, only: tuple[str, ...] = BOTH, shape: tuple[int | None, ...] = (5,), below: int = 20, inputs: int = 1, dtype: str = "int64", adapt: Any = None, formats: tuple[str, ...] = (".keras", ".h5"), **arguments: Any) -> Case:
    """A layer on integers from 0 up to ``below``."""

    def build(keras: Any) -> Any:
        tensors = [keras.Input(shape, dtype=dtype, name=f"x{index}") for index in range(inputs)]
        layer = getattr(keras.layers, class_name)(**arguments, name="layer")
        if adapt is not None:
            import numpy as np

            layer.adapt(np.asarray(adapt))
        given = tensors[0] if inputs == 1 else tensors
        return keras.Model(given, layer(given))

    return Case(f"{class_name}-{label}", build, only, integers=dict.fromkeys(range(inputs), below), formats=formats)


def model_case(label: str, build: Callable[[Any, Any], Any], shapes: tuple[tuple[int | None, ...], ...], below: int, only: tuple[str, ...] = BOTH) -> Case:
    """A model on inputs of integers."""

    def model(keras: Any) -> Any:
        tensors = [keras.Input(shape, dtype="int64", name=f"x{index}") for index, shape in enumerate(shapes)]
        return keras.Model(tensors, build(keras.layers, tensors))

    return Case(label, model, only, integers=dict.fromkeys(range(len(shapes)), below))


def _integer_lookup() -> Iterable[Case]:
    name = "IntegerLookup"
    yield category_case(name, "default", vocabulary=VOCABULARY)
    yield category_case(name, "int32-dynamic", shape=(None,), dtype="int32", vocabulary=VOCABULARY)
    yield category_case(name, "float", dtype="float32", vocabulary=VOCABULARY)
    yield category_case(name, "far", vocabulary=FAR)
    yield category_case(name, "mask", mask_token=0, vocabulary=VOCABULARY)
    yield category_case(name, "special-tokens", mask_token=0, oov_token=-1, vocabulary=(0, -1, *VOCABULARY))
    yield category_case(name, "several-oov-mask", num_oov_indices=3, mask_token=4, vocabulary=VOCABULARY)
    yield category_case(name, "farmhash", only=K3, num_oov_indices=4, oov_method="farmhash", vocabulary=FAR)
    yield category_case(name, "siphash", only=K3, num_oov_indices=4, oov_method="farmhash", salt=[3, 9], mask_token=1, vocabulary=FAR)
    yield category_case(name, "no-oov", below=3, num_oov_indices=0, vocabulary=(2, 0, 1))
    yield category_case(name, "invert", below=8, invert=True, vocabulary=VOCABULARY)
    yield category_case(name, "invert-mask", below=9, invert=True, mask_token=99, oov_token=-5, num_oov_indices=2, vocabulary=FAR)
    yield category_case(name, "adapted", formats=(".keras",), adapt=[3, 3, 4, 5, 5, 5, 18])
    yield category_case(name, "one_hot", shape=(1,), output_mode="one_hot", vocabulary=VOCABULARY)
    yield category_case(name, "one_hot-sequence", only=K3, output_mode="one_hot", vocabulary=VOCABULARY)
    yield category_case(name, "multi_hot-padded", output_mode="multi_hot", mask_token=4, max_tokens=9, pad_to_max_tokens=True, vocabulary=VOCABULARY)
    yield category_case(name, "count", output_mode="count", num_oov_indices=2, vocabulary=VOCABULARY)
    yield category_case(name, "tf_idf", output_mode="tf_idf", vocabulary=VOCABULARY, idf_weights=[0.1, 0.9, 0.3, 0.4, 0.7])
    yield category_case(name, "tf_idf-whole", output_mode="tf_idf", vocabulary=(-1, *VOCABULARY), idf_weights=[0.5, 0.1, 0.9, 0.3, 0.4, 0.7], max_tokens=8, pad_to_max_tokens=True)
    yield category_case(name, "tf_idf-adapted", only=K3, formats=(".keras",), output_mode="tf_idf", adapt=[[1, 2, 3, 3], [4, 4, 3, 18]])


def _hashing() -> Iterable[Case]:
    name, many = "Hashing", 10**15
    yield category_case(name, "default", below=many, num_bins=1000)
    yield category_case(name, "int32", below=2**31 - 1, dtype="int32", num_bins=1000)
    yield category_case(name, "small-rank3", below=12, shape=(2, None), num_bins=1000)
    yield category_case(name, "float", only=K3, below=10**6, dtype="float32", num_bins=1000)
    yield category_case(name, "mask", below=4, num_bins=100, mask_value=2)
    yield category_case(name, "salt", below=many, num_bins=1000, salt=133137)
    yield category_case(name, "salts-int32", below=2**31 - 1, dtype="int32", num_bins=1000, salt=[137, 133])
    yield category_case(name, "one_hot", below=many, shape=(1,), num_bins=7, output_mode="one_hot")
    yield category_case(name, "multi_hot", below=many, num_bins=7, output_mode="multi_hot")
    yield category_case(name, "count-mask", below=6, num_bins=7, mask_value=0, output_mode="count")
    yield category_case("HashedCrossing", "int", below=many, shape=(1,), inputs=2, num_bins=1000)
    yield category_case("HashedCrossing", "one_hot-int32", below=2**31 - 1, dtype="int32", shape=(1,), inputs=2, num_bins=7, output_mode="one_hot")
    yield category_case("HashedCrossing", "scalars", only=K3, below=many, shape=(), inputs=2, num_bins=50)
    yield category_case("HashedCrossing", "three", only=("keras2",), below=many, shape=(1,), inputs=3, num_bins=50)
    yield model_case("Functional-two-towers", _two_towers, ((1,), (1,), (6,)), many)


def _two_towers(layers: Any, inputs: Any) -> Any:
    """A recommender: the user's and the item's hashed numbers and the user's history, each embedded; their towers' product."""
    user, item, history = inputs
    rows = layers.Embedding(50, 4)(layers.Hashing(50)(user))
    past = layers.GlobalAveragePooling1D()(layers.Embedding(40, 4, mask_zero=True)(layers.Hashing(40, mask_value=0)(history)))
    crossed = layers.Flatten()(layers.Embedding(30, 4)(layers.HashedCrossing(30)([user, item])))
    left = layers.Dense(8, activation="relu")(layers.Concatenate()([layers.Flatten()(rows), past, crossed]))
    right = layers.Dense(8)(layers.Flatten()(layers.Embedding(60, 4)(layers.Hashing(60, salt=[5, 6])(item))))
    return layers.Dot(axes=1)([left, right])


def _weighted(keras: Any) -> Any:
    ids, weights = keras.Input((5,), dtype="int32", name="ids"), keras.Input((5,), name="weights")
    return keras.Model([ids, weights], keras.layers.CategoryEncoding(7, output_mode="count", name="layer")(ids, count_weights=weights))


def _encodings() -> Iterable[Case]:
    name = "CategoryEncoding"
    yield category_case(name, "default", below=7, num_tokens=7)
    yield category_case(name, "one_hot", below=7, shape=(1,), num_tokens=7, output_mode="one_hot")
    yield category_case(name, "one_hot-sequence", only=K3, below=7, num_tokens=7, output_mode="one_hot")
    yield category_case(name, "one_hot-scalars", below=7, shape=(), dtype="int32", num_tokens=7, output_mode="one_hot")
    yield category_case(name, "count-int32", below=7, dtype="int32", num_tokens=7, output_mode="count")
    yield category_case(name, "multi_hot-rank3", only=K3, below=7, shape=(4, 3), num_tokens=7)
    yield category_case(name, "count-rank3-float", only=K3, below=7, shape=(4, 3), dtype="float32", num_tokens=7, output_mode="count")
    yield Case("CategoryEncoding-count_weights", _weighted, integers={0: 7})


def _discretization() -> Iterable[Case]:
    name, bounds = "Discretization", [1.5, 4.0, 9.0, 15.5]
    yield category_case(name, "int", dtype="float32", bin_boundaries=bounds)
    yield category_case(name, "integers", dtype="int32", bin_boundaries=bounds)
    yield category_case(name, "one_hot", dtype="float32", shape=(1,), bin_boundaries=bounds, output_mode="one_hot")
    yield category_case(name, "one_hot-sequence", only=K3, dtype="float32", bin_boundaries=bounds, output_mode="one_hot")
    yield category_case(name, "multi_hot", dtype="float32", bin_boundaries=bounds, output_mode="multi_hot")
    yield category_case(name, "count", dtype="float32", bin_boundaries=bounds, output_mode="count")
    yield category_case(name, "count-rank3", only=K3, dtype="float32", shape=(4, 3), bin_boundaries=bounds, output_mode="count")
    yield category_case(name, "adapted", dtype="float32", num_bins=4, adapt=[float(number) for number in range(1, 20)] * 20)
    yield category_case(name, "adapted-one_hot", dtype="float32", shape=(1,), num_bins=5, epsilon=0.05, output_mode="one_hot", adapt=[[float(number)] for number in range(20)])


CASES: tuple[Case, ...] = (*_integer_lookup(), *_hashing(), *_encodings(), *_discretization())
