"""Builds the benchmark's model files, each once, into a cache folder: ``python benchmarks/models.py NAME FILE``.

Weights are random with a fixed seed, batch-norm statistics and biases included, so that nothing folds away that would
not fold in a trained model.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

#: name → (constructor in keras.applications, input shape)
APPLICATIONS: dict[str, tuple[str, tuple[int, int, int]]] = {
    "MobileNet": ("MobileNet", (224, 224, 3)),
    "MobileNetV2": ("MobileNetV2", (224, 224, 3)),
    "MobileNetV3Small": ("MobileNetV3Small", (224, 224, 3)),
    "ResNet50": ("ResNet50", (224, 224, 3)),
    "DenseNet121": ("DenseNet121", (224, 224, 3)),
    "InceptionV3": ("InceptionV3", (299, 299, 3)),
    "Xception": ("Xception", (299, 299, 3)),
    "EfficientNetB0": ("EfficientNetB0", (224, 224, 3)),
    "NASNetMobile": ("NASNetMobile", (224, 224, 3)),
    "ConvNeXtTiny": ("ConvNeXtTiny", (224, 224, 3)),
}

#: Recurrent models, by tf_keras: the converter can't take Keras 3's recurrent layers. Lengths are known, as the converter's LSTM asks.
RECURRENT = (
    "LSTM-text",
    "BiLSTM-tagger",
    "GRU-text",
    "LSTM64x100",
    "GRU64x100",
    "LSTM128x50",
    "LSTM256x50",
    "LSTM16x100",
)

#: What reads sequences, by Keras 3: two of the recurrent ones, and an encoder of four blocks of attention (128 words).
SEQUENCES = ("LSTM-text-keras3", "GRU-text-keras3", "TransformerEncoder")


def randomize(model: Any, seed: int = 0) -> None:
    """Give every weight that a constructor leaves at 0 or 1 a value that a trained model might have."""
    import numpy as np

    rng = np.random.default_rng(seed)
    for variable in model.weights:
        name = variable.path.rpartition("/")[2] if hasattr(variable, "path") else variable.name
        shape = tuple(variable.shape)
        if "moving_mean" in name or "bias" in name or "beta" in name:
            variable.assign(rng.normal(0, 0.1, shape).astype("float32"))
        elif "moving_variance" in name or "gamma" in name:
            variable.assign(rng.uniform(0.5, 1.5, shape).astype("float32"))


def dense_stack(megabytes: int) -> Any:
    """A model of about ``megabytes`` of float32 weights in layers of 16 MB."""
    import keras

    width = 2048
    inputs = keras.Input((width,))
    x = inputs
    for _ in range(max(1, megabytes // 16)):
        x = keras.layers.Dense(width, activation="relu")(x)
    return keras.Model(inputs, x)


def deep_stack(layers: int) -> Any:
    """A model of ``layers`` layers: convolution, batch normalization, activation, addition, in turn."""
    import keras

    inputs = keras.Input((8, 8, 8))
    x = inputs
    for _ in range(layers // 4):
        y = keras.layers.Conv2D(8, 3, padding="same", use_bias=False)(x)
        y = keras.layers.BatchNormalization()(y)
        y = keras.layers.ReLU()(y)
        x = keras.layers.Add()([x, y])
    return keras.Model(inputs, x)


def recurrent(name: str) -> Any:
    """A text classifier of two layers (200 words), a tagger that reads both ways (50 words), or one layer: ``GRU64x100`` has 64 units, over
    100 steps of as many features."""
    if name in SEQUENCES:
        import keras
    else:
        import tf_keras as keras
    keras.utils.set_random_seed(0)
    layers, biased = keras.layers, {"bias_initializer": "random_normal"}
    kind, _, task = name.removesuffix("-keras3").partition("-")
    if task == "text":
        cell = getattr(layers, kind)
        words = keras.Input((200,), dtype="int32")
        x = cell(64, return_sequences=True, **biased)(layers.Embedding(20_000, 64)(words))
        return keras.Model(words, layers.Dense(4, activation="softmax")(cell(32, **biased)(x)))
    if task == "tagger":
        words = keras.Input((50,), dtype="int32")
        x = layers.Embedding(20_000, 64)(words)
        for _ in range(2):
            x = layers.Bidirectional(layers.LSTM(64, return_sequences=True, **biased))(x)
        return keras.Model(words, layers.Dense(17, activation="softmax")(x))
    units, _, steps = kind[3 if kind.startswith("GRU") else 4 :].partition("x")
    inputs = keras.Input((int(steps), int(units)))
    cell = getattr(layers, "GRU" if kind.startswith("GRU") else "LSTM")
    return keras.Model(inputs, cell(int(units), return_sequences=True, **biased)(inputs))


def encoder(words: int = 128, width: int = 256, heads: int = 4, blocks: int = 4) -> Any:
    """A Transformer encoder of Keras's own layers, normalized after each part, with a classifier on the mean."""
    import keras

    layers = keras.layers
    inputs = keras.Input((words,), dtype="int32")
    places = layers.Embedding(words, width)(keras.ops.arange(words))
    x = layers.Embedding(20_000, width)(inputs) + places
    for _ in range(blocks):
        attended = layers.MultiHeadAttention(heads, width // heads)(x, x)
        x = layers.LayerNormalization(epsilon=1e-6)(layers.Add()([x, attended]))
        wide = layers.Dense(4 * width, activation="relu")(x)
        x = layers.LayerNormalization(epsilon=1e-6)(layers.Add()([x, layers.Dense(width)(wide)]))
    pooled = layers.GlobalAveragePooling1D()(x)
    return keras.Model(inputs, layers.Dense(4, activation="softmax")(pooled))


def build(name: str) -> Any:
    """The model called ``name``: an application, one that reads sequences, ``dense:MB`` or ``layers:N``."""
    if name in (*RECURRENT, *SEQUENCES[:2]):
        return recurrent(name)
    import keras

    keras.utils.set_random_seed(0)
    if name in SEQUENCES:
        model = encoder()
        randomize(model)
        return model
    kind, _, size = name.partition(":")
    if kind == "dense":
        return dense_stack(int(size))
    if kind == "layers":
        return deep_stack(int(size))
    constructor, shape = APPLICATIONS[name]
    model = getattr(keras.applications, constructor)(weights=None, input_shape=shape)
    randomize(model)
    return model


def main() -> None:
    """Write the model named on the command line to the file named there, and beside it as .keras."""
    name, path = sys.argv[1], Path(sys.argv[2])
    sys.setrecursionlimit(200_000)  # Keras walks a model layer by layer, each a few calls deep
    model = build(name)
    for suffix in (".keras", path.suffix):
        part = path.with_name(f"part-{path.stem}{suffix}")
        model.save(part)
        part.replace(path.with_suffix(suffix))


if __name__ == "__main__":
    main()
