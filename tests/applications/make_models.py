"""Builds a keras.applications model with random weights, saves it and records what it computes.

``python make_models.py NAME OPTIONS SIZE SUFFIXES FOLDER``: calls the function ``NAME`` with ``OPTIONS`` (JSON) and writes
``model.h5`` or ``model.keras`` or both, as ``SUFFIXES`` (``.h5,.keras``) says, and ``model.npz`` (``x``, ``y``). ``SIZE`` is the height
and width of the images.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

#: Layers in front of models that take pixels from 0 to 255.
PIXELS = ("Rescaling", "Normalization")

#: The two samples' outputs differ by this part of their range at least: else a network that has gone numb would agree with anything.
DIFFERENT = 1e-3


def randomize(model: Any, rng: np.random.Generator) -> None:
    """Give what constructors leave at 0 or 1 (scales, biases) values as training would.

    A ConvNeXt's layer scales start at 1e-6, which would hide its blocks; they become what they are after training. A VGG, which normalizes
    nothing, needs kernels that make up for what its activations cut off.
    """
    normalized = any("gamma" in variable.path for variable in model.weights)
    for variable in model.weights:
        name, shape = variable.path.rpartition("/")[2], tuple(variable.shape)
        if name in ("bias", "beta"):
            variable.assign(rng.normal(0, 0.1, shape).astype("float32"))
        elif name == "gamma":
            # Below 1, as after training: residual blocks add to what passes them and do not drown it.
            variable.assign(rng.uniform(0.1, 0.5, shape).astype("float32"))
        elif name == "kernel" and not normalized:
            variable.assign(variable * 1.5)
        elif name.startswith("variable") and len(shape) == 1:
            variable.assign(rng.uniform(0.1, 0.4, shape).astype("float32"))


def settle(keras: Any, model: Any, x: Any, rng: np.random.Generator) -> None:
    """Batch normalizations get statistics of the size of what they are given of ``x``, which leave the signal's size as it is.

    Those of each channel would be like training's, but with random weights a network that is centred at each layer is chaotic: rounding
    grows through its layers to a large part of the output, and nothing could be compared.
    """
    kind = keras.layers.BatchNormalization
    call = kind.call

    def settling(layer: Any, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        size = float(np.sqrt(np.mean(np.square(np.asarray(inputs)))))
        shape = tuple(layer.moving_mean.shape)
        layer.moving_mean.assign(rng.normal(0, 0.1 * size, shape).astype("float32"))
        layer.moving_variance.assign((size**2 * rng.uniform(0.5, 1.5, shape)).astype("float32"))
        return call(layer, inputs, training=False, mask=mask)

    kind.call = settling
    try:
        model(x, training=False)
    finally:
        kind.call = call


def images(model: Any, size: int, count: int, rng: np.random.Generator) -> Any:
    """Images of 8 by 8 coloured fields and some noise, in the range that the model takes."""
    low, high = (0, 255) if any(type(layer).__name__ in PIXELS for layer in model.layers) else (-1, 1)
    fields = rng.uniform(low, high, (count, 8, 8, 3))
    each = -(-size // 8)
    coarse = fields.repeat(each, axis=1).repeat(each, axis=2)[:, :size, :size]
    return (0.8 * coarse + 0.2 * rng.uniform(low, high, coarse.shape)).astype("float32")


def main() -> None:
    """Make the model named on the command line."""
    import keras

    name, options, size, suffixes, folder = sys.argv[1:]
    keras.utils.set_random_seed(1)
    model = getattr(keras.applications, name)(weights=None, **json.loads(options))
    rng = np.random.default_rng(5)
    randomize(model, rng)
    x = images(model, int(size), 2, rng)
    settle(keras, model, x, rng)
    y = np.asarray(model(x, training=False))
    if not np.abs(y[0] - y[1]).max() > DIFFERENT * np.abs(y).max():
        sys.exit(f"What {name} computes does not depend on its input: {y}")
    for suffix in suffixes.split(","):
        model.save(str(Path(folder) / f"model{suffix}"))
    np.savez(Path(folder) / "model.npz", x=x, y=y)


if __name__ == "__main__":
    main()
