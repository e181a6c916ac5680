"""Small whole models."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .case import K3, Case


def _sequential(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((12, 12, 3)),
            layers.Conv2D(8, 3, padding="same", use_bias=False),
            layers.BatchNormalization(beta_initializer="random_normal", moving_mean_initializer="random_normal"),
            layers.Activation("relu"),
            layers.MaxPooling2D(),
            layers.Dropout(0.3),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )


def _residual(keras: Any, data_format: str, shape: tuple[int, ...]) -> Any:
    layers, axis = keras.layers, 1 if data_format == "channels_first" else -1
    inputs = keras.Input(shape, name="image")
    x = layers.Conv2D(8, 3, padding="same", data_format=data_format)(inputs)
    for _ in range(2):
        y = layers.BatchNormalization(axis=axis, beta_initializer="random_normal")(x)
        y = layers.ReLU()(y)
        y = layers.Conv2D(8, 3, padding="same", data_format=data_format)(y)
        x = layers.Add()([x, y])
    x = layers.AveragePooling2D(2, data_format=data_format)(x)
    x = layers.Concatenate(axis=axis)([x, layers.MaxPooling2D(1, data_format=data_format)(x)])
    x = layers.Flatten(data_format=None if data_format == "channels_last" else "channels_last")(x)
    return keras.Model(inputs, layers.Dense(5)(x))


def _shared(keras: Any) -> Any:
    layers = keras.layers
    a, b = keras.Input((8,), name="a"), keras.Input((8,), name="b")
    branch = keras.Sequential([keras.Input((8,)), layers.Dense(6, activation="relu"), layers.Dense(4)], name="branch")
    left, right = branch(a), branch(b)
    distance = layers.Subtract(name="distance")([left, right])
    return keras.Model([a, b], [layers.Dense(1, name="score")(distance), left])


def _nested(keras: Any) -> Any:
    layers = keras.layers
    inner_in = keras.Input((6, 6, 4))
    x = layers.BatchNormalization(moving_mean_initializer="random_normal")(inner_in)
    x = layers.Conv2D(4, 3, padding="same")(x)
    inner = keras.Model(inner_in, layers.Add()([x, inner_in]), name="block")
    outer_in = keras.Input((6, 6, 4), name="x")
    middle = keras.Sequential([keras.Input((6, 6, 4)), inner, layers.ReLU(), layers.BatchNormalization()], name="middle")
    return keras.Model(outer_in, layers.GlobalAveragePooling2D()(middle(outer_in)))


def _models() -> Iterable[Case]:
    yield Case("Sequential-cnn", _sequential)
    yield Case("Functional-residual", lambda k: _residual(k, "channels_last", (8, 8, 3)))
    yield Case("Functional-residual-channels_first", lambda k: _residual(k, "channels_first", (3, 8, 8)), K3)
    yield Case("Functional-shared-branch", _shared)
    yield Case("Functional-nested", _nested)


CASES: tuple[Case, ...] = (*_models(),)
