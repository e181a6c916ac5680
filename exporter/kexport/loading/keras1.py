"""Keras 1's classes and arguments in Keras 2's words.

keras/legacy/interfaces.py of Keras 2.3 lists what was renamed; the merge modes are those of
keras/engine/topology.py of Keras 1.2.2.
"""

from __future__ import annotations

from typing import Any

from kexport.loading.context import Context, shorten

Config = dict[str, Any]

_RENAMED = {
    "nb_filter": "filters",
    "border_mode": "padding",
    "subsample": "strides",
    "subsample_length": "strides",
    "filter_length": "kernel_size",
    "pool_length": "pool_size",
    "stride": "strides",
    "bias": "use_bias",
    "p": "rate",
    "sigma": "stddev",
    "inner_activation": "recurrent_activation",
    "dropout_W": "dropout",
    "dropout_U": "recurrent_dropout",
    "atrous_rate": "dilation_rate",
    "input_dtype": "dtype",
}
_UNITS = {"Dense", "TimeDistributedDense", "SimpleRNN", "LSTM", "GRU"}
_OWN_WORDS = {"MaxoutDense", "Highway"}
_CLASSES = {
    "TimeDistributedDense": "Dense",
    "AtrousConvolution1D": "Conv1D",
    "AtrousConvolution2D": "Conv2D",
    "AtrousConv1D": "Conv1D",
    "AtrousConv2D": "Conv2D",
    "Convolution1D": "Conv1D",
    "Convolution2D": "Conv2D",
    "Convolution3D": "Conv3D",
    "Deconvolution2D": "Conv2DTranspose",
    "Deconv2D": "Conv2DTranspose",
    "SeparableConvolution2D": "SeparableConv2D",
}
_DROPPED = {
    "init",
    "inner_init",
    "forget_bias_init",
    "W_regularizer",
    "U_regularizer",
    "b_regularizer",
}
_DIM_ORDERINGS = {"tf": "channels_last", "th": "channels_first"}
_MERGES = {
    "sum": "Add",
    "mul": "Multiply",
    "ave": "Average",
    "max": "Maximum",
    "concat": "Concatenate",
    "dot": "Dot",
    "cos": "Dot",
}


def translate(class_name: str, config: Config, ctx: Context, where: str) -> tuple[str, Config]:
    """The class and config of a Keras 1 layer in Keras 2's vocabulary."""
    if class_name == "Merge":
        return _merge(config, ctx, where)
    if class_name in _OWN_WORDS:
        return class_name, config
    renamed = {_RENAMED.get(key, key): value for key, value in config.items() if key not in _DROPPED}
    if class_name in _UNITS and "output_dim" in renamed:
        renamed["units"] = renamed.pop("output_dim")
    if class_name == "UpSampling1D" and "length" in renamed:
        renamed["size"] = renamed.pop("length")
    if class_name == "Embedding":
        renamed.pop("dropout", None)
    _kernel_size(renamed)
    ordering = renamed.pop("dim_ordering", None)
    if ordering is not None:
        renamed["data_format"] = (
            _DIM_ORDERINGS.get(ordering, "channels_last") if isinstance(ordering, str) else ordering
        )
    if class_name in {"ZeroPadding1D", "ZeroPadding2D"}:
        renamed["padding"] = _padding(renamed.get("padding"))
    if class_name == "BatchNormalization":
        _check_batch_normalization(renamed, ctx, where)
    return _CLASSES.get(class_name, class_name), renamed


def _kernel_size(config: Config) -> None:
    """One argument an axis (``nb_row``, ``nb_col``) becomes one for all."""
    for names in (("kernel_dim1", "kernel_dim2", "kernel_dim3"), ("nb_row", "nb_col")):
        if all(name in config for name in names):
            config["kernel_size"] = [config.pop(name) for name in names]


def _padding(padding: Any) -> Any:
    """Keras 1 also takes four numbers (top, bottom, left, right), or a dict of them."""
    if isinstance(padding, dict):
        sides = (
            ("top_pad", "bottom_pad", "left_pad", "right_pad")
            if "top_pad" in padding
            else ("left_pad", "right_pad")
        )
        padding = [padding.get(side, 0) for side in sides]
    if isinstance(padding, list | tuple) and len(padding) == 4:
        return [list(padding[:2]), list(padding[2:])]
    return padding


def _check_batch_normalization(config: Config, ctx: Context, where: str) -> None:
    """Modes 1 and 2 normalize by the sample's or the batch's own statistics; no layer of Keras 3 does that."""
    mode = config.pop("mode", 0)
    if mode != 0:
        raise ctx.error(
            f"Layer {where!r} is a Keras 1 BatchNormalization of mode {shorten(mode)}; only mode 0 keeps statistics to export",
        )
    config.update(center=True, scale=True)


def _merge(config: Config, ctx: Context, where: str) -> tuple[str, Config]:
    """The layer of Keras 2 that a Merge in this mode is."""
    mode = config.get("mode", "sum")
    if not isinstance(mode, str) or mode not in _MERGES or config.get("mode_type", "raw") != "raw":
        raise ctx.error(
            f"Layer {where!r} merges with a function of the user's, which the file holds as code only. Received: "
            f"mode={shorten(mode)}",
            hint=f"Modes that can be exported: {', '.join(_MERGES)}.",
        )
    kept: Config = {key: config[key] for key in ("name", "trainable", "dtype") if key in config}
    if mode == "concat":
        kept["axis"] = config.get("concat_axis", -1)
    elif mode in {"dot", "cos"}:
        kept["axes"] = config.get("dot_axes", -1)
        kept["normalize"] = mode == "cos"
    return _MERGES[mode], kept
