"""A convolutional autoencoder: an image becomes sixteen numbers, and an image again."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
from data import digits

EXPORT = {"pixels": "unit"}
TITLE = "Autoencoder"
ABOUT = "Sketch a digit: it becomes sixteen numbers, and an image again. Its layers show which."


def train(folder: Path) -> None:
    """Train, and save the model."""
    images, _ = digits()
    conv = {"padding": "same", "activation": "relu"}
    model = keras.Sequential(
        [
            keras.Input((16, 16, 1), name="image"),
            keras.layers.Conv2D(16, 3, strides=2, **conv),
            keras.layers.Conv2D(32, 3, strides=2, **conv),
            keras.layers.Flatten(),
            keras.layers.Dense(16, name="code"),
            keras.layers.Dense(4 * 4 * 32, activation="relu"),
            keras.layers.Reshape((4, 4, 32)),
            keras.layers.Conv2DTranspose(16, 3, strides=2, **conv),
            keras.layers.Conv2DTranspose(
                1, 3, strides=2, padding="same", activation="sigmoid", name="reconstruction"
            ),
        ],
        name="autoencoder",
    )
    model.compile(optimizer=keras.optimizers.Adam(3e-3), loss="mse")
    model.fit(images, images, epochs=20, batch_size=64, verbose=0)
    print(f"autoencoder: mean squared error {model.evaluate(images, images, verbose=0):.4f}")
    model.save(folder / "model.keras")
    np.savez(folder / "samples.npz", image=images[-4:])
