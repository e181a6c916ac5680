"""Trains a small convolutional network on scikit-learn's digits (1,797 images of 8 × 8) and saves it.

``python train_digits.py digits.keras`` (or ``digits.h5``).
"""

from __future__ import annotations

import sys

import keras
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


def build() -> keras.Model:
    """Two convolutions with batch normalization, pooling, and a softmax over the ten digits."""
    return keras.Sequential(
        [
            keras.Input((8, 8, 1), name="image"),
            keras.layers.Conv2D(16, 3, padding="same", use_bias=False),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
            keras.layers.MaxPooling2D(2),
            keras.layers.Conv2D(32, 3, padding="same", activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(10, activation="softmax", name="digit"),
        ],
        name="digits",
    )


def main() -> None:
    """Train, say how well it went, save."""
    path = sys.argv[1] if len(sys.argv) > 1 else "digits.keras"
    keras.utils.set_random_seed(0)
    data = load_digits()
    images = (data.images / 16.0).astype("float32")[..., np.newaxis]
    train_x, test_x, train_y, test_y = train_test_split(images, data.target, test_size=0.2, random_state=0)
    model = build()
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(train_x, train_y, epochs=12, batch_size=32, verbose=0)
    _, accuracy = model.evaluate(test_x, test_y, verbose=0)
    model.save(path)
    print(f"{path}: trained on {len(train_x)} digits, {accuracy:.1%} right on {len(test_x)} others")


if __name__ == "__main__":
    main()
