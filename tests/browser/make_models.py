"""Makes the models of the browser's tests, with the outputs of their Keras: ``make_models.py TRAIN_DIGITS FOLDER``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np


def record(model: keras.Model, inputs: np.ndarray, path: Path) -> None:
    """A golden file (kexport/reference/golden.py)."""
    meta = {"format": 1, "keras": keras.__version__, "backend": keras.backend.backend(), "library": "keras"}
    outputs = np.asarray(model(inputs))
    arrays = {f"inputs/{model.inputs[0].name}": inputs, f"outputs/{model.layers[-1].name}": outputs}
    np.savez(path, meta=np.array(json.dumps(meta)), **arrays)


def main(train: str, folder: Path) -> None:
    generator = np.random.default_rng(0)
    subprocess.run(
        [sys.executable, train, str(folder / "digits.keras")], check=True, stdout=subprocess.DEVNULL
    )
    digits = keras.saving.load_model(folder / "digits.keras")
    record(digits, generator.uniform(size=(4, 8, 8, 1)).astype("float32"), folder / "digits.npz")
    keras.utils.set_random_seed(0)
    layers = [
        keras.Input((20, 3), name="series"),
        keras.layers.Bidirectional(keras.layers.LSTM(8)),
        keras.layers.Dense(2),
    ]
    lstm = keras.Sequential(layers)
    lstm.save(folder / "lstm.keras")
    record(lstm, generator.normal(size=(4, 20, 3)).astype("float32"), folder / "lstm.npz")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
