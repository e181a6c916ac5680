"""A bidirectional LSTM that reads a line by its characters: English, Python or C?"""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
from data import KINDS, lines

EXPORT = {"labels": "labels.json", "vocabulary": "characters.json", "text_padding": "post", "float16": False}
TITLE = "Lines"
ABOUT = "Write a line: a bidirectional LSTM says whether it is English, Python or C."

LENGTH = 48


def train(folder: Path) -> None:
    """Train, save the model, its labels, and which integer each character becomes (0 is what short lines are filled up with)."""
    found = lines()
    characters = {character: 1 + index for index, character in enumerate(map(chr, range(32, 127)))}
    texts = np.zeros((len(found), LENGTH), "int32")
    for row, (line, _) in enumerate(found):
        texts[row, : min(len(line), LENGTH)] = [characters.get(each, 0) for each in line[:LENGTH]]
    kinds = np.array([kind for _, kind in found])
    model = keras.Sequential(
        [
            keras.Input((LENGTH,), dtype="int32", name="line"),
            keras.layers.Embedding(len(characters) + 1, 16, mask_zero=True),
            keras.layers.Bidirectional(keras.layers.LSTM(32)),
            keras.layers.Dense(len(KINDS), activation="softmax", name="kind"),
        ],
        name="lines",
    )
    model.compile(
        optimizer=keras.optimizers.Adam(4e-3), loss="sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    held = len(texts) // 10
    model.fit(texts[held:], kinds[held:], epochs=4, batch_size=64, verbose=0)
    _, accuracy = model.evaluate(texts[:held], kinds[:held], verbose=0)
    print(f"lines: {accuracy:.1%} of {held} lines that it was not trained on are right")
    model.save(folder / "model.keras")
    np.savez(folder / "samples.npz", line=texts[:4])
    (folder / "labels.json").write_text(json.dumps(KINDS), "utf-8")
    (folder / "characters.json").write_text(json.dumps(characters), "utf-8")
