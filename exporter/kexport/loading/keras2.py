"""Keras 2's arguments in Keras 3's words."""

from __future__ import annotations

from typing import Any

Config = dict[str, Any]

_RENAMED: dict[str, dict[str, str]] = {
    "InputLayer": {"batch_input_shape": "batch_shape"},
    "LeakyReLU": {"alpha": "negative_slope"},
    "MultiHeadAttention": {"num_kv_heads": "num_key_value_heads"},
}

_RNN_CLASSES = {
    "RNN",
    "SimpleRNN",
    "LSTM",
    "GRU",
    "CuDNNLSTM",
    "CuDNNGRU",
    "ConvLSTM1D",
    "ConvLSTM2D",
    "ConvLSTM3D",
}


def translate(class_name: str, config: Config) -> tuple[str, Config]:
    """The class and config of a Keras 2 layer in Keras 3's vocabulary."""
    for old, new in _RENAMED.get(class_name, {}).items():
        if old in config:
            config[new] = config.pop(old)
    if class_name == "BatchNormalization":
        _single_axis(config)
    if class_name == "Embedding" and str(config.get("dtype")).startswith(("int", "uint")):
        # Keras 2.0 says there what it reads; what it gives are floats (keras/layers/embeddings.py, 2.0.0).
        config["input_dtype"] = config.pop("dtype")
    if class_name in _RNN_CLASSES:
        # Keras 2 masks as Keras 3 does with this argument on only where the file says so.
        config.setdefault("zero_output_for_mask", False)
    if (
        class_name == "InputLayer"
        and config.get("batch_shape") is None
        and config.get("input_shape") is not None
    ):
        config["batch_shape"] = [config.get("batch_size"), *config["input_shape"]]
    return class_name, config


def _single_axis(config: Config) -> None:
    """tf.keras writes the axis of a batch normalization as a list of one."""
    axis = config.get("axis")
    if isinstance(axis, list | tuple) and len(axis) == 1:
        config["axis"] = axis[0]
