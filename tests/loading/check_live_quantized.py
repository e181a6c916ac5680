"""Exports live quantized models in a process of their own: ``check_live_quantized.py FOLDER``.

Their attention layers' projections are quantized, which no file that Keras 3.15 writes of them tells.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import keras
import numpy as np

import kexport

layers, quantizers = keras.layers, keras.quantizers


def model():
    x = keras.Input((6,), dtype="int32", name="x")
    y = layers.Embedding(40, 16, name="embedding")(x)
    y = layers.Add(name="add")([y, layers.MultiHeadAttention(2, 8, name="attention")(y, y)])
    y = layers.LayerNormalization(name="norm")(y)
    made = keras.Model(x, layers.Dense(5, activation="softmax", name="scores")(y))
    rng = np.random.default_rng(1)
    for weight in made.weights:
        weight.assign(rng.normal(0, 0.5, weight.shape))
    return made


def main() -> None:
    measured = {}
    for name, config in {
        "int8": quantizers.Int8QuantizationConfig(),
        "int8 weights": quantizers.Int8QuantizationConfig(activation_quantizer=None),
        "int4": quantizers.Int4QuantizationConfig(),
        "int4 blocks": quantizers.Int4QuantizationConfig(block_size=5),
        "float8": quantizers.Float8QuantizationConfig(),
    }.items():
        made = model()
        made.quantize(config=config)
        result = kexport.export(made, target="tflite", output=Path(sys.argv[1], name))
        measured[name] = result.targets[0].verdict.max_rel_error
    Path(sys.argv[1], "measured.json").write_text(json.dumps(measured))


if __name__ == "__main__":
    main()
