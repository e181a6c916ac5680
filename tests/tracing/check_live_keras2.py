"""Exports live models of tf.keras whose layers compute with TensorFlow's functions: ``check_live_keras2.py FOLDER``.

Writes ``FOLDER/found.json``: the status of each row's export, or the error's class and text.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
import tf_keras as keras

import kexport


class Scaled(keras.layers.Layer):
    def build(self, shape):
        self.w = self.add_weight(name="w", shape=(shape[-1],), initializer="random_normal")
        self.inner = keras.layers.Dense(3, activation="relu")

    def call(self, x, training=None):
        y = self.inner(x * self.w + 1.0)
        return tf.concat([y[:, 1:], tf.reduce_mean(x, axis=-1, keepdims=True)], axis=-1)


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.embed = keras.layers.Embedding(9, 4, mask_zero=True)
        self.lstm = keras.layers.LSTM(5)
        self.scaled = Scaled()

    def call(self, ids, training=False):
        return tf.nn.softmax(self.scaled(self.lstm(self.embed(ids))))


def layered(*layers):
    x = keras.Input((4,))
    y = x
    for layer in layers:
        y = layer(y)
    return keras.Model(x, y)


def subclassed():
    model = Subclassed()
    model(np.zeros((2, 6), "float32"))
    return model


ROWS = {
    "layer": lambda: layered(Scaled()),
    "lambda": lambda: layered(keras.layers.Lambda(lambda t: t * 2 + tf.square(t)[:, :1])),
    "function": lambda: layered(
        keras.layers.Dense(3, activation=lambda t: keras.activations.relu(t, alpha=0.1, max_value=20.0))
    ),
    "subclassed": subclassed,
}


def main() -> None:
    folder, found = Path(sys.argv[1]), {}
    for name, build in ROWS.items():
        keras.utils.set_random_seed(5)
        try:
            result = kexport.export(build(), output=folder / name)
        except kexport.KexportError as error:
            found[name] = {"error": type(error).__name__, "text": str(error)}
        else:
            found[name] = {"status": result.targets[0].status, "reason": result.targets[0].reason}
    (folder / "found.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
