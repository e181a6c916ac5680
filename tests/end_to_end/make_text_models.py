"""Trains text classifiers: ``python make_text_models.py keras3|keras2 FOLDER`` writes a model, and texts with what it says of them.

keras3: words learned from the texts, as long as the longest of a batch, through an LSTM; ``classifier.keras``.
keras2: a vocabulary that is an argument, a fixed length, pooled; ``classifier.h5``.
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np

GOOD = ("wonderful", "great", "loved", "brilliant", "délicieux", "fun")
BAD = ("awful", "boring", "hated", "dreadful", "terrible", "mauvais")
PLAIN = ("the", "film", "was", "a", "story", "of", "and", "it", "in", "my", "café", "actors", "scene")


def reviews(count: int, seed: int) -> tuple[Any, Any]:
    """Texts with signs and capitals, and whether they are good."""
    rng = np.random.default_rng(seed)
    texts, labels = [], []
    for _ in range(count):
        label = int(rng.integers(2))
        words = list(rng.choice(PLAIN, rng.integers(3, 14)))
        for word in rng.choice(GOOD if label else BAD, rng.integers(1, 4)):
            words.insert(int(rng.integers(len(words) + 1)), str(word))
        texts.append(" ".join(words).capitalize() + str(rng.choice(["!", ".", " …", "?!"])))
        labels.append(label)
    return np.asarray(texts), np.asarray(labels)


def built(keras: Any, writer: str, texts: Any) -> Any:
    """The model, not trained yet."""
    layers = keras.layers
    inputs = keras.Input((1,), dtype="string", name="review")
    if writer == "keras3":
        words = layers.TextVectorization(max_tokens=100, name="words")
        words.adapt(texts)
        x = layers.Embedding(words.vocabulary_size(), 8, mask_zero=True)(words(inputs))
        x = layers.LSTM(12)(x)
    else:
        words = layers.TextVectorization(
            vocabulary=[*PLAIN, *GOOD, *BAD], output_sequence_length=16, name="words"
        )
        x = layers.Embedding(len(PLAIN) + len(GOOD) + len(BAD) + 2, 8)(words(inputs))
        x = layers.GlobalAveragePooling1D()(layers.Dropout(0.2)(x))
        x = layers.Dense(16, activation="relu")(x)
    return keras.Model(inputs, layers.Dense(2, activation="softmax", name="opinion")(x))


def main() -> None:
    """Train, save, and say what the model says."""
    writer, folder = sys.argv[1], Path(sys.argv[2])
    os.environ.update(KERAS_BACKEND="tensorflow", CUDA_VISIBLE_DEVICES="-1", TF_CPP_MIN_LOG_LEVEL="3")
    warnings.filterwarnings("ignore")
    if writer == "keras3":
        import keras
    else:
        import tf_keras as keras
    import tensorflow as tf

    keras.utils.set_random_seed(3)
    texts, labels = reviews(600, 0)
    model = built(keras, writer, texts)
    model.compile(optimizer=keras.optimizers.Adam(0.02), loss="sparse_categorical_crossentropy")
    model.fit(tf.constant(texts[:, None]), labels, epochs=8, batch_size=50, verbose=0)
    model.save(str(folder / ("classifier.keras" if writer == "keras3" else "classifier.h5")))
    fresh, opinions = reviews(24, 1)
    said = np.asarray(model(tf.constant(fresh[:, None]), training=False))
    np.savez(folder / "fresh.npz", texts=fresh[:, None], labels=opinions, said=said)


if __name__ == "__main__":
    main()
