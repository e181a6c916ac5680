"""Saves models with a real Keras and writes down what it says about them: ``make_models.py keras|tf_keras FOLDER``."""

from __future__ import annotations

import json
import sys
from pathlib import Path


def functional(keras):
    """Shared and nested layers, a frozen batch normalization inside, wrappers, several inputs and outputs."""
    layers = keras.layers
    image, vector = keras.Input((8, 8, 3), name="image"), keras.Input((4,), name="vector")
    shared = layers.Dense(4, activation="relu", name="shared")
    x = layers.Conv2D(6, 3, strides=2, name="conv")(image)
    x = layers.SeparableConv2D(4, 3, name="separable", use_bias=False)(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    y = layers.Add(name="sum")([shared(x), shared(vector)])
    core = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(3, name="d1"),
            layers.BatchNormalization(name="frozen"),
            layers.Dense(3, name="d2"),
        ],
        name="core",
    )
    core.layers[1].trainable = False
    wrapped = keras.Input((4,))
    outer = keras.Model(
        wrapped, layers.BatchNormalization(name="bn", scale=False)(core(wrapped)), name="outer"
    )
    z = outer(y)
    sequence = layers.Reshape((7, 1), name="reshape")(layers.Concatenate(name="cat")([z, y]))
    recurrent = layers.Bidirectional(layers.LSTM(3, return_sequences=True), name="both")(sequence)
    recurrent = layers.GRU(2, name="gru", return_sequences=True)(recurrent)
    recurrent = layers.TimeDistributed(layers.Dense(2), name="each")(recurrent)
    attended = layers.MultiHeadAttention(2, 2, name="attention")(recurrent, recurrent)
    normal = layers.LayerNormalization(name="normal")(attended)
    return keras.Model([image, vector], [normal, z], name="everything")


def sequential(keras):
    layers = keras.layers
    line = [keras.Input((5,), name="in")]
    line += [
        layers.Embedding(11, 4, name="table"),
        layers.Conv1D(3, 2, padding="causal", name="conv"),
        layers.PReLU(name="prelu"),
        layers.Dropout(0.5, name="drop"),
        layers.Flatten(name="flat"),
    ]
    return keras.Sequential([*line, layers.Dense(2, activation="softmax", name="out")], name="line")


def cells(keras):
    layers = keras.layers
    inputs = keras.Input((6, 3), name="x")
    stacked = layers.RNN([layers.LSTMCell(2, name="low"), layers.GRUCell(4, name="high")], name="stack")(
        inputs
    )
    single = layers.RNN(layers.SimpleRNNCell(3, name="cell"), name="single")(inputs)
    return keras.Model(inputs, {"b": stacked, "a": single}, name="cells")


def main() -> None:
    package, folder = sys.argv[1], Path(sys.argv[2])
    import numpy as np

    keras = __import__(package)
    for build in (functional, sequential, cells):
        model = build(keras)
        random = np.random.default_rng(0)
        model.set_weights([random.random(w.shape, "float32") for w in model.get_weights()])
        stem = folder / f"{package}-{build.__name__}"
        model.save(f"{stem}.keras")
        model.save(f"{stem}.h5")
        model.save_weights(f"{stem}.weights.h5")
        Path(f"{stem}.json").write_text(model.to_json())
        record(model, stem)


def record(model, stem: Path) -> None:
    """Every variable by layer, as Keras has it, and the names of inputs and outputs."""
    import numpy as np

    arrays = {}
    facts = {
        "inputs": [t.name for t in model.inputs],
        "outputs": list(getattr(model, "output_names", [])),
        "layers": [],
    }

    def visit(layer, path):
        facts["layers"].append(path)
        inner = list(getattr(layer, "layers", []))
        if not inner:
            for index, weight in enumerate(layer.get_weights()):
                arrays[f"{path}|{index}"] = weight
        for child in inner:
            visit(child, f"{path}/{child.name}")

    for layer in model.layers:
        visit(layer, layer.name)
    np.savez(f"{stem}.npz", **arrays)
    Path(f"{stem}.facts.json").write_text(json.dumps(facts))


if __name__ == "__main__":
    main()
