"""The official converter as a user runs it: ``python benchmarks/peer_tflite.py MODEL OUT [--batch-one]``.

``--batch-one`` rebuilds the model with a fixed batch of 1 first, for a comparison of like with like.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf


def load(source: str) -> Any:
    """The model; from the .keras file beside it where Keras can't read the .h5 that it wrote (3.15: operations on numbers,
    custom layers called with several tensors)."""
    from keras.src.applications.convnext import LayerScale  # saved, but not registered, by keras.applications

    known = {"LayerScale": LayerScale}
    try:
        return keras.models.load_model(source, compile=False, custom_objects=known)
    except (TypeError, ValueError):
        return keras.models.load_model(
            Path(source).with_suffix(".keras"), compile=False, custom_objects=known
        )


def main() -> None:
    """Load, convert, write."""
    source, out = sys.argv[1], Path(sys.argv[2])
    model = load(source)
    if "--batch-one" in sys.argv:
        fixed = [keras.Input(batch_shape=(1, *t.shape[1:]), dtype=t.dtype, name=t.name) for t in model.inputs]
        model = keras.Model(fixed, model(fixed if len(fixed) > 1 else fixed[0]))
    out.write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())


if __name__ == "__main__":
    main()
