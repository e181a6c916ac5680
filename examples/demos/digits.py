"""A digit classifier with global average pooling, so that the page shows a class activation map."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
from data import digits

EXPORT = {"labels": "labels.txt", "pixels": "unit"}
TITLE = "Digits"
ABOUT = "Sketch a digit: a convolutional network names it, and shows what it looked at."


def train(folder: Path) -> None:
    """Train, save the model and its labels."""
    images, labels = digits()
    conv = {"padding": "same", "activation": "relu"}
    model = keras.Sequential(
        [
            keras.Input((16, 16, 1), name="image"),
            keras.layers.Conv2D(16, 3, **conv),
            keras.layers.Conv2D(32, 3, **conv),
            keras.layers.MaxPooling2D(2),
            keras.layers.Conv2D(48, 3, **conv),
            keras.layers.Conv2D(48, 3, **conv),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(10, activation="softmax", name="digit"),
        ],
        name="digits",
    )
    model.compile(
        optimizer=keras.optimizers.Adam(3e-3), loss="sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    model.fit(images[:1500], labels[:1500], epochs=10, batch_size=32, verbose=0)
    _, accuracy = model.evaluate(images[1500:], labels[1500:], verbose=0)
    print(f"digits: {accuracy:.1%} of {len(images) - 1500} digits that it was not trained on are right")
    model.save(folder / "model.keras")
    np.savez(folder / "samples.npz", image=images[-4:])
    (folder / "labels.txt").write_text("".join(f"{digit}\n" for digit in range(10)), "utf-8")
