"""Writes the models of test_reference.py with one Keras: ``make_models.py keras|tf_keras FOLDER``."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np


def nested(keras: Any) -> Any:
    """A nested model and a layer shared by two calls."""
    layers = keras.layers
    image = layers.Input((8, 8, 3), name="image")
    inner = keras.Sequential(
        [layers.Input((8, 8, 3)), layers.Conv2D(4, 3, name="conv"), layers.ReLU(name="relu")], name="inner"
    )
    shared = layers.Dense(5, name="shared")
    first = shared(layers.Dense(7, name="before")(layers.Flatten(name="flat")(inner(image))))
    second = shared(layers.Dense(7, name="between")(first))
    return keras.Model(image, layers.Add(name="sum")([first, second]), name="nested")


def several(keras: Any) -> Any:
    """Two inputs, one of them indices of a dynamic number, and three outputs, two of them of one layer."""
    layers = keras.layers
    ids = layers.Input((None,), dtype="int32", name="ids")
    numbers = layers.Input((3,), name="numbers")
    words = layers.Embedding(11, 4, name="words")(ids)
    pooled = layers.GlobalAveragePooling1D(name="pooled")(layers.Conv1D(6, 5, name="window")(words))
    joined = layers.Concatenate(name="joined")([pooled, numbers])
    head = layers.Dense(2, name="head")
    return keras.Model(
        [ids, numbers],
        [head(joined), layers.Softmax(name="classes")(joined), head(layers.ReLU(name="r")(joined))],
    )


def sequential(keras: Any) -> Any:
    """Rescaled pixels."""
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input((6, 6, 1)),
            layers.Rescaling(1 / 255, name="scale"),
            layers.Flatten(),
            layers.Dense(3, name="d"),
        ]
    )


def fixed(keras: Any) -> Any:
    """A batch fixed at 3."""
    layers = keras.layers
    x = layers.Input(batch_shape=(3, 4), name="x")
    return keras.Model(x, layers.Dense(2, name="y")(x))


def channels_first(keras: Any) -> Any:
    """What TensorFlow refuses on a CPU."""
    layers = keras.layers
    x = layers.Input((3, 8, 8), name="x")
    pooled = layers.MaxPooling2D(3, strides=2, data_format="channels_first", name="pool")(x)
    return keras.Model(x, layers.Conv2D(2, 3, data_format="channels_first", name="y")(pooled))


def main() -> None:
    keras = importlib.import_module(sys.argv[1])
    folder = Path(sys.argv[2])
    for make in (nested, several, sequential, fixed, channels_first):
        keras.utils.set_random_seed(1)
        model = make(keras)
        for weight in model.weights:
            if "bias" in weight.name:
                weight.assign(np.linspace(-1, 1, int(np.prod(weight.shape))).reshape(weight.shape))
        for suffix in (".h5", ".keras"):
            model.save(folder / f"{sys.argv[1]}-{make.__name__}{suffix}")
    (folder / f"{sys.argv[1]}-nested.json").write_text(nested(keras).to_json())
    nested(keras).save_weights(folder / f"{sys.argv[1]}-nested.weights.h5")


if __name__ == "__main__":
    main()
