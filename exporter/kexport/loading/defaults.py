"""The arguments that a file may leave out, by class.

Keras 3's constructors give the values (keras/src/layers, 3.15); what older versions did otherwise stands in
``KERAS2`` and ``KERAS1``, and is used for files that they wrote.
"""

from __future__ import annotations

from typing import Any

from kexport.loading.spec import Provenance

Defaults = dict[str, Any]

_CONV: Defaults = {
    "padding": "valid",
    "data_format": "channels_last",
    "activation": "linear",
    "use_bias": True,
}
_POOL: Defaults = {"strides": None, "padding": "valid", "data_format": "channels_last"}
_GLOBAL: Defaults = {"data_format": "channels_last", "keepdims": False}
_FORMAT: Defaults = {"data_format": "channels_last"}
_AFFINE: Defaults = {"axis": -1, "epsilon": 1e-3, "center": True, "scale": True}
_RECURRENT: Defaults = {
    "return_sequences": False,
    "return_state": False,
    "go_backwards": False,
    "stateful": False,
    "unroll": False,
    "zero_output_for_mask": False,
}
_CELL: Defaults = {"activation": "tanh", "use_bias": True, "dropout": 0.0, "recurrent_dropout": 0.0}
_GATED: Defaults = {**_CELL, "recurrent_activation": "sigmoid"}
_CONV_LSTM: Defaults = {
    **_GATED,
    **_RECURRENT,
    "padding": "valid",
    "data_format": "channels_last",
    "unit_forget_bias": True,
}
_ATTENTION: Defaults = {"dropout": 0.0, "use_bias": True, "sliding_window": None, "use_gate": False}


def _ranked(name: str, values: Defaults, *per_axis: str) -> dict[str, Defaults]:
    """``values`` for the class in 1, 2 and 3 dimensions, with ones of that rank for each name in ``per_axis``."""
    return {name.format(n): {**values, **{key: [1] * n for key in per_axis}} for n in (1, 2, 3)}


KERAS3: dict[str, Defaults] = {
    "InputLayer": {"dtype": "float32", "sparse": False, "ragged": False, "optional": False},
    "Dense": {"activation": "linear", "use_bias": True},
    "EinsumDense": {"activation": "linear", "bias_axes": None},
    "Embedding": {"mask_zero": False},
    "ReversibleEmbedding": {"mask_zero": False, "tie_weights": True, "logit_soft_cap": None},
    "Activation": {"activation": "linear"},
    **_ranked("Conv{}D", {**_CONV, "groups": 1}, "strides", "dilation_rate"),
    **_ranked("Conv{}DTranspose", {**_CONV, "output_padding": None}, "strides", "dilation_rate"),
    **_ranked("DepthwiseConv{}D", {**_CONV, "depth_multiplier": 1}, "strides", "dilation_rate"),
    **_ranked("SeparableConv{}D", {**_CONV, "depth_multiplier": 1}, "strides", "dilation_rate"),
    **_ranked("LocallyConnected{}D", {**_CONV, "implementation": 1}, "strides"),
    **{
        f"{kind}Pooling{n}D": {**_POOL, "pool_size": [2] * n}
        for kind in ("Max", "Average")
        for n in (1, 2, 3)
    },
    **{f"Global{kind}Pooling{n}D": _GLOBAL for kind in ("Max", "Average") for n in (1, 2, 3)},
    **{f"Adaptive{kind}Pooling{n}D": _FORMAT for kind in ("Max", "Average") for n in (1, 2, 3)},
    "ZeroPadding1D": {**_FORMAT, "padding": 1},
    "ZeroPadding2D": {**_FORMAT, "padding": [1, 1]},
    "ZeroPadding3D": {**_FORMAT, "padding": [[1, 1], [1, 1], [1, 1]]},
    "Cropping1D": {"cropping": [1, 1]},
    "Cropping2D": {**_FORMAT, "cropping": [[0, 0], [0, 0]]},
    "Cropping3D": {**_FORMAT, "cropping": [[1, 1], [1, 1], [1, 1]]},
    "UpSampling1D": {"size": 2},
    "UpSampling2D": {**_FORMAT, "size": [2, 2], "interpolation": "nearest"},
    "UpSampling3D": {**_FORMAT, "size": [2, 2, 2]},
    "BatchNormalization": _AFFINE,
    "LayerNormalization": {**_AFFINE, "rms_scaling": False},
    "GroupNormalization": {**_AFFINE, "groups": 32},
    "RMSNormalization": {"axis": -1, "epsilon": 1e-6},
    "UnitNormalization": {"axis": -1},
    "SpectralNormalization": {"power_iterations": 1},
    "Normalization": {"axis": -1, "mean": None, "variance": None, "invert": False},
    "Rescaling": {"offset": 0.0},
    "Resizing": {
        **_FORMAT,
        "interpolation": "bilinear",
        "crop_to_aspect_ratio": False,
        "pad_to_aspect_ratio": False,
        "fill_mode": "constant",
        "fill_value": 0.0,
        "antialias": False,
    },
    "CenterCrop": _FORMAT,
    "CategoryEncoding": {"num_tokens": None, "output_mode": "multi_hot", "sparse": False},
    "Discretization": {
        "bin_boundaries": None,
        "num_bins": None,
        "epsilon": 0.01,
        "output_mode": "int",
        "sparse": False,
    },
    "Flatten": _FORMAT,
    "Concatenate": {"axis": -1},
    "Dot": {"normalize": False},
    "Masking": {"mask_value": 0.0},
    "ReLU": {"max_value": None, "negative_slope": 0.0, "threshold": 0.0},
    "LeakyReLU": {"negative_slope": 0.3},
    "PReLU": {"shared_axes": None},
    "ELU": {"alpha": 1.0},
    "ThresholdedReLU": {"theta": 1.0},
    "Softmax": {"axis": -1},
    "RNN": _RECURRENT,
    "SimpleRNN": {**_RECURRENT, **_CELL},
    "LSTM": {**_RECURRENT, **_GATED, "unit_forget_bias": True},
    "GRU": {**_RECURRENT, **_GATED, "reset_after": True},
    "SimpleRNNCell": _CELL,
    "LSTMCell": {**_GATED, "unit_forget_bias": True},
    "GRUCell": {**_GATED, "reset_after": True},
    **_ranked("ConvLSTM{}D", _CONV_LSTM, "strides", "dilation_rate"),
    "Bidirectional": {"merge_mode": "concat"},
    "Attention": {"use_scale": False, "score_mode": "dot", "dropout": 0.0},
    "AdditiveAttention": {"use_scale": True, "dropout": 0.0},
    "MultiHeadAttention": {**_ATTENTION, "value_dim": None, "output_shape": None, "attention_axes": None},
    "GroupQueryAttention": _ATTENTION,
}

_HARD: Defaults = {"recurrent_activation": "hard_sigmoid"}

KERAS2: dict[str, Defaults] = {
    "LSTM": _HARD,
    "LSTMCell": _HARD,
    "GRU": {**_HARD, "reset_after": False},
    "GRUCell": {**_HARD, "reset_after": False},
    **_ranked("ConvLSTM{}D", _HARD),
}
"""Multi-backend Keras 2 and tf.keras of TensorFlow 1 (keras/layers/recurrent.py, 2.3.1)."""

KERAS1: dict[str, Defaults] = {
    **KERAS2,
    "Dot": {"normalize": False, "axes": -1},
    "Cropping3D": {"data_format": "channels_last", "cropping": [[1, 1], [1, 1], [1, 1]]},
}


#: Arguments for which None is a choice.
_NONE_IS_A_VALUE = ("merge_mode",)


def _is_missing(config: Defaults, key: str) -> bool:
    return key not in config if key in _NONE_IS_A_VALUE else config.get(key) is None


def with_defaults(class_name: str, config: Defaults, provenance: Provenance) -> Defaults:
    """``config`` with what the writing version would have used for each argument that it lacks.

    A None where the class's default is a value (``data_format``, ``activation``) means that default too, unless None is a
    value of the argument's own.
    """
    base = KERAS3.get(class_name)
    if base is None:
        return config
    older: Defaults = {}
    if provenance.keras_major == 1:
        older = KERAS1.get(class_name, {})
    elif provenance.keras_major == 2 and not _has_v2_layers(provenance):
        older = KERAS2.get(class_name, {})
    merged = {**base, **older}
    missing = {key: value for key, value in merged.items() if _is_missing(config, key)}
    filled = {**config, **missing}
    if class_name.endswith(("Pooling1D", "Pooling2D", "Pooling3D")) and filled.get("strides", 0) is None:
        filled["strides"] = filled["pool_size"]
    return filled


def _has_v2_layers(provenance: Provenance) -> bool:
    """Whether TensorFlow 2's recurrent layers were Keras's (tf.keras 2.2.4-tf and later)."""
    if provenance.library != "tf.keras":
        return False
    parts = provenance.keras_version.removesuffix("-tf").split(".")
    return [int(part) for part in parts[:3] if part.isdigit()] >= [2, 2, 4]
