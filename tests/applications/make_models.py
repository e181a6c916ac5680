"""Builds keras.applications models with random weights, saves them and records what they compute.

``python make_models.py NAME SIZE FOLDER``: writes ``NAME.h5``, ``NAME.keras`` and ``NAME.npz`` (``x``, ``y``). ``SIZE`` is the
input's height and width; 0 means the architecture's own.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np


def randomize(model: Any, seed: int = 0) -> None:
    """Give what constructors leave at 0 or 1 (batch-norm statistics, scales, biases) values as training would.

    The statistics are those of the model's own activations in spirit: variances are near 1, so that the signal survives
    a hundred layers.
    """
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        name, shape = variable.path.rpartition("/")[2], tuple(variable.shape)
        if name in ("moving_mean", "bias", "beta"):
            variable.assign(rng.normal(0, 0.1, shape).astype("float32"))
        elif name in ("moving_variance", "gamma"):
            variable.assign(rng.uniform(0.5, 1.5, shape).astype("float32"))


def main() -> None:
    """Make the model named on the command line."""
    import keras

    name, size, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    keras.utils.set_random_seed(1)
    # MobileNetV3's own size is unknown lengths, for which there is no input to draw.
    size = size or (224 if name.startswith("MobileNetV3") else 0)
    shape = {"input_shape": (size, size, 3)} if size else {}
    model = getattr(keras.applications, name)(weights=None, **shape)
    randomize(model)
    x = np.random.default_rng(5).uniform(-1, 1, (2, *model.input_shape[1:])).astype("float32")
    y = np.asarray(model(x, training=False))
    model.save(str(folder / f"{name}.h5"))
    model.save(str(folder / f"{name}.keras"))
    np.savez(folder / f"{name}.npz", x=x, y=y)


if __name__ == "__main__":
    main()
