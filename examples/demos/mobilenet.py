"""MobileNetV2 with random weights, for its speed: what it says of an image means nothing."""

from __future__ import annotations

from pathlib import Path

import keras

EXPORT = {"pixels": "signed"}
TITLE = "MobileNetV2, random weights"
ABOUT = "3.5 million weights on images of 224 × 224: for the table of times. What it names is random."


def train(folder: Path) -> None:
    """Save it; nothing is trained."""
    keras.applications.MobileNetV2(weights=None).save(folder / "model.keras")
    print("mobilenet: weights are random")
