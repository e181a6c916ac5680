"""Exports live models whose layers are the user's, each against itself: ``check_live.py FOLDER``.

Writes ``FOLDER/found.json``: the status of each row's exports, or the error's class and text.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import keras
import numpy as np
from custom_code import (
    Block,
    Cell,
    Decides,
    MakesMask,
    Named,
    NoConfig,
    OnNumPy,
    Scale,
    Tagger,
    Triangle,
    Two,
    UsesMask,
    wave,
)
from keras import ops

import kexport


def layered(shape, *layers):
    x = keras.Input(shape)
    y = x
    for layer in layers:
        y = layer(y)
    return keras.Model(x, y)


def called(model, *args, **kwargs):
    model(*args, **kwargs)
    return model


def computed(function):
    """A Lambda on (batch, time, 4), both open."""
    return layered((None, 4), keras.layers.Lambda(function))


def positions(x):
    """The usual encoding of positions by sines and cosines."""
    steps = ops.cast(ops.arange(1, ops.shape(x)[1] + 1), "float32")
    angles = ops.expand_dims(steps, -1) / ops.power(100.0, ops.arange(0, 4, 2, dtype="float32") / 4)
    return x + ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)


def shared():
    """One custom layer called on two tensors, and on its own output."""
    a, b, scale = keras.Input((4,), name="a"), keras.Input((4,), name="b"), Scale()
    return keras.Model([a, b], keras.layers.Subtract()([scale(scale(a)), scale(b)]))


def mixed():
    keras.config.set_dtype_policy("mixed_float16")
    return layered((6, 5), keras.layers.Dense(4), Scale())


FLOATS = np.zeros((2, 4), "float32")
ROWS = {
    "layer": lambda: layered((6, 5), Scale()),
    "block": lambda: layered((6, 5), Block()),
    "function": lambda: layered((4,), keras.layers.Dense(5, activation=wave)),
    "lambda-function": lambda: layered((4,), keras.layers.Dense(5, activation=lambda t: ops.sin(t) + 1)),
    "lambda-layer": lambda: layered((4,), keras.layers.Lambda(lambda t: t[:, ::2] * 3)),
    "no-config": lambda: layered((4,), NoConfig(lambda t: ops.relu(t) + 1)),
    "wrapped": lambda: layered((6, 4), keras.layers.TimeDistributed(Scale())),
    "cell": lambda: layered((6, 4), keras.layers.RNN(Cell(5), return_sequences=True)),
    "cell-last-masked": lambda: layered((6, 4), keras.layers.Masking(), keras.layers.RNN(Cell(5))),
    "stacked-cells": lambda: layered((6, 4), keras.layers.RNN([keras.layers.GRUCell(3), Cell(5)])),
    "mask-made": lambda: layered((6, 4), MakesMask(), UsesMask(), keras.layers.GRU(3)),
    "mask-carried": lambda: layered((6, 4), keras.layers.Masking(), UsesMask(), keras.layers.GRU(3)),
    "mask-dropped": lambda: layered((6, 4), keras.layers.Masking(), Scale(), keras.layers.GRU(3)),
    "shared": shared,
    "mixed": mixed,
    "open-reshape": lambda: computed(lambda x: ops.reshape(x, (ops.shape(x)[0], ops.shape(x)[1] * 2, 2))),
    "open-ones": lambda: computed(
        lambda x: ops.concatenate([ops.broadcast_to(ops.ones((1, 1, 4)), (ops.shape(x)[0], 1, 4)), x], axis=1)
    ),
    "open-mean": lambda: computed(lambda x: ops.sum(x, axis=1) / ops.cast(ops.shape(x)[1], "float32")),
    "open-slice": lambda: computed(lambda x: x[:, : ops.shape(x)[1] - 1] - x[:, 1:]),
    "open-range": lambda: computed(
        lambda x: x + ops.expand_dims(ops.cast(ops.arange(ops.shape(x)[1]), "float32"), -1)
    ),
    "open-positions": lambda: computed(positions),
    "open-reversed": lambda: computed(
        lambda x: x * ops.cos(ops.arange(ops.shape(x)[1] - 1, -1, -1, dtype="float32"))[:, None]
    ),
    "open-causal": lambda: computed(
        lambda x: ops.matmul(ops.tril(ops.ones((ops.shape(x)[1], ops.shape(x)[1]))), x)
    ),
    "open-triangle": lambda: layered((None, 4), Triangle()),
    "open-diagonal": lambda: computed(lambda x: ops.matmul(ops.eye(ops.shape(x)[1], k=1), x) + ops.exp(x)),
    "open-root": lambda: computed(lambda x: x * ops.sqrt(ops.cast(ops.shape(x)[1], "float32"))),
    "subclassed": lambda: called(Tagger(), np.zeros((2, 7), "int32")),
    "subclassed-dict": lambda: called(Named(), {"features": FLOATS, "ids": np.zeros((2, 5), "int32")}),
    "subclassed-two": lambda: called(Two(), FLOATS, np.zeros((2, 5), "float32")),
    "subclassed-nested": lambda: layered((7,), Tagger()),
    "subclassed-not-built": Tagger,
    "decides": lambda: layered((4,), Decides()),
    "numpy": lambda: layered((4,), OnNumPy()),
}
DYNAMIC = {"layer", "subclassed", "cell", "mask-made", "block"}


def main() -> None:
    folder, found = Path(sys.argv[1]), {}
    for name, build in ROWS.items():
        keras.utils.set_random_seed(5)
        model, found[name] = build(), []
        batches = ("dynamic",) if name.startswith("open-") else (1, "dynamic") if name in DYNAMIC else (1,)
        for batch in batches:
            found[name].append(exported(model, folder / f"{name}-{batch}", batch))
        keras.config.set_dtype_policy("float32")
    (folder / "found.json").write_text(json.dumps(found))


def exported(model, output, batch):
    try:
        result = kexport.export(model, output=output, batch=batch)
    except kexport.KexportError as error:
        return {"error": type(error).__name__, "text": str(error)}
    (target,) = result.targets
    return {"status": target.status, "reason": target.reason}


if __name__ == "__main__":
    main()
