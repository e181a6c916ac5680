"""Models with code of the user's, in files: ``make_models.py FOLDER``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import h5py
import keras
import numpy as np
from custom_code import Block, Cell, Scale, Tagger, wave


def functional():
    x = keras.Input((6, 5), name="x")
    y = Scale(3.0, name="scale")(x)
    y = keras.layers.Dense(5, activation=wave)(y)
    y = keras.layers.TimeDistributed(Scale(name="inner"), name="each")(y)
    y = keras.layers.RNN(Cell(4), return_sequences=True)(y)
    return keras.Model(x, Block(8, name="block")(y))


def unnamed(folder: Path) -> None:
    """As Keras 2 wrote an activation that is a lambda: by the name of all lambdas."""
    x = keras.Input((4,), name="x")
    model = keras.Model(x, keras.layers.Dense(3, activation="tanh", name="dense")(x))
    path = folder / "unnamed.h5"
    model.save(path)
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        dense = next(layer for layer in config["config"]["layers"] if layer["class_name"] == "Dense")
        dense["config"]["activation"] = "<lambda>"
        file.attrs["model_config"] = json.dumps(config)


def main() -> None:
    folder = Path(sys.argv[1])
    keras.utils.set_random_seed(3)
    model = functional()
    for suffix in (".keras", ".h5"):
        model.save(folder / f"functional{suffix}")
    tagger = Tagger()
    tagger(np.zeros((2, 7), "int32"))
    tagger.save(folder / "subclassed.keras")
    x = keras.Input((6,), name="x")
    model = keras.Model(x, keras.layers.Dense(2)(keras.layers.Lambda(lambda t: t * t + 1)(x)))
    for suffix in (".keras", ".h5"):
        model.save(folder / f"lambda{suffix}")
    unnamed(folder)


if __name__ == "__main__":
    main()
