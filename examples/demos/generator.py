"""The decoder of a conditional variational autoencoder: a digit and two numbers of handwriting become an image."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
from data import digits
from keras import layers, ops

EXPORT: dict[str, object] = {}
TITLE = "Generator"
ABOUT = "Choose a digit and move the sliders: each place of the latent space is a handwriting."

LATENT = 2


class Sampling(layers.Layer):
    """A sample of the normal distribution whose mean and logarithm of the variance are given; its distance from the standard one is a
    loss (Kingma and Welling, "Auto-Encoding Variational Bayes", 2014, appendix B)."""

    def __init__(self, weight: float, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.weight = weight
        self.seeds = keras.random.SeedGenerator(0)

    def call(self, inputs: tuple[object, object]) -> object:
        mean, log_variance = inputs
        distance = -0.5 * ops.mean(
            ops.sum(1 + log_variance - ops.square(mean) - ops.exp(log_variance), axis=-1)
        )
        self.add_loss(self.weight * distance)
        return mean + ops.exp(log_variance / 2) * keras.random.normal(ops.shape(mean), seed=self.seeds)


def train(folder: Path) -> None:
    """Train encoder and decoder together, and save the decoder."""
    images, labels = digits()
    style = keras.Input((LATENT,), name="style")
    digit = keras.Input((1,), dtype="int32", name="digit")
    x = layers.Concatenate()([style, layers.Flatten()(layers.Embedding(10, 16)(digit))])
    x = layers.Dense(4 * 4 * 32, activation="relu")(x)
    x = layers.Reshape((4, 4, 32))(x)
    x = layers.Conv2DTranspose(32, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.Conv2DTranspose(16, 3, strides=2, padding="same", activation="relu")(x)
    picture = layers.Conv2D(1, 3, padding="same", activation="sigmoid", name="picture")(x)
    decoder = keras.Model([digit, style], picture, name="generator")

    image = keras.Input((16, 16, 1))
    seen = layers.Conv2D(16, 3, strides=2, padding="same", activation="relu")(image)
    seen = layers.Flatten()(layers.Conv2D(32, 3, strides=2, padding="same", activation="relu")(seen))
    seen = layers.Concatenate()([seen, layers.Flatten()(layers.Embedding(10, 16)(digit))])
    seen = layers.Dense(64, activation="relu")(seen)
    drawn = Sampling(weight=1.0)([layers.Dense(LATENT)(seen), layers.Dense(LATENT)(seen)])
    both = keras.Model([image, digit], decoder([digit, drawn]))
    # The sum over the pixels, as the distance is a sum over the latent numbers.
    both.compile(
        optimizer=keras.optimizers.Adam(2e-3),
        loss=lambda true, made: ops.mean(ops.sum(keras.losses.binary_crossentropy(true, made), axis=(1, 2))),
    )
    numbers = labels[:, np.newaxis].astype("int32")
    found = both.fit([images, numbers], images, epochs=25, batch_size=64, verbose=0)
    print(f"generator: loss {found.history['loss'][0]:.1f} at first, {found.history['loss'][-1]:.1f} at last")
    decoder.save(folder / "model.keras")
