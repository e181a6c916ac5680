"""Keras 1's classes and arguments in Keras 2's words.

keras/legacy/interfaces.py of Keras 2.3 lists what was renamed; the merge modes are those of
keras/engine/topology.py of Keras 1.2.2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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

SILENT = frozenset(f"{kind}{n}D" for kind in ("Cropping", "UpSampling", "ZeroPadding") for n in (2, 3))
"""Classes that have a ``dim_ordering`` and don't save it (their ``get_config`` in keras/layers/convolutional.py, 1.0.0 to 1.2.2)."""

_BATCH_NORMALIZATIONS = {0: "BatchNormalization", 1: "SampleNormalization", 2: "WholeBatchNormalization"}
"""The class here of each ``mode``; no layer of Keras 3 does what the last two do."""

_MERGES = {
    "sum": "Add",
    "mul": "Multiply",
    "ave": "Average",
    "max": "Maximum",
    "concat": "Concatenate",
    "dot": "Dot",
    "cos": "Merge",
}


def orderings_of(record: object) -> frozenset[str]:
    """The values of ``dim_ordering`` anywhere in a model's JSON."""
    return frozenset(_orderings(record))


def _orderings(item: object) -> Iterator[str]:
    if isinstance(item, Mapping):
        if isinstance(item.get("dim_ordering"), str):
            yield item["dim_ordering"]
        for value in item.values():
            yield from _orderings(value)
    elif isinstance(item, list):
        for value in item:
            yield from _orderings(value)


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
    if class_name == "InputLayer" and "input_dtype" in renamed:
        renamed["dtype"] = renamed.pop("input_dtype")
    _kernel_size(renamed)
    ordering = renamed.pop("dim_ordering", None)
    if ordering is None and class_name in SILENT:
        ordering = _unsaved_ordering(class_name, ctx, where)
    if ordering is not None:
        renamed["data_format"] = (
            _DIM_ORDERINGS.get(ordering, "channels_last") if isinstance(ordering, str) else ordering
        )
    if class_name in {"ZeroPadding1D", "ZeroPadding2D"}:
        renamed["padding"] = _padding(renamed.get("padding"))
    if class_name == "BatchNormalization":
        return _batch_normalization(renamed, ctx, where)
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


def _unsaved_ordering(class_name: str, ctx: Context, where: str) -> str | None:
    """The ordering of a layer that does not save its own: that of the layers that do, since all take it from keras.json.

    Where no layer says, it is None: Keras 1.1's and 1.2's own default, ``tf`` (a note then says so).
    """
    if len(ctx.orderings) > 1:
        raise ctx.error(
            f"Layer {where!r} is a {class_name}, which Keras 1 saves without its dim_ordering, and the other layers of the model "
            f"have different ones. Received: {', '.join(sorted(ctx.orderings))}",
            hint="Add the layer's dim_ordering ('th' or 'tf') to its config in the file.",
        )
    return next(iter(ctx.orderings), None)


def _batch_normalization(config: Config, ctx: Context, where: str) -> tuple[str, Config]:
    """Mode 0 is Keras 3's layer; mode 1 normalizes by the sample's own statistics, mode 2 by the batch's."""
    mode = config.pop("mode", 0)
    if mode not in _BATCH_NORMALIZATIONS:
        raise ctx.error(
            f"Layer {where!r} is a BatchNormalization of a mode that is not 0, 1 or 2. Received: {shorten(mode)}"
        )
    since = {0: (), 1: (1, 0, 6), 2: (1, 0, 8)}[mode]
    if _is_before(ctx, since):
        raise ctx.error(
            f"Layer {where!r} is a BatchNormalization of mode {mode}, whose formula differed from version to version before Keras "
            f"{'.'.join(map(str, since))}. Received: Keras {ctx.provenance.keras_version}"
        )
    config.update(center=True, scale=True)
    return _BATCH_NORMALIZATIONS[mode], config


def _is_before(ctx: Context, version: tuple[int, ...]) -> bool:
    """Whether an earlier Keras wrote the model. Whole-model files say by which, since 1.0.7 wrote the first; so a JSON that does
    not is older, and an .h5 that does not is no witness."""
    return ctx.provenance.version < version and (
        len(ctx.provenance.version) > 1 or ctx.provenance.format == "json+weights"
    )


def deviation_is_kept(ctx: Context) -> bool:
    """Whether ``running_std`` holds what its name says, and not yet the variance: before Keras 1.0.6, and in 1.0.6 on Theano
    (keras/layers/normalization.py and ``normalize_batch_in_training`` in keras/backend)."""
    return _is_before(ctx, (1, 0, 6)) or (
        ctx.provenance.version == (1, 0, 6) and ctx.trained_on != "tensorflow"
    )


def adds_epsilon_to_deviation(ctx: Context) -> bool:
    """Whether batch normalizations divide by ``deviation + epsilon``: so do all before Keras 1.0.6 and, on Theano, 1.0.6 and 1.0.7
    (``batch_normalization`` in keras/backend/theano_backend.py)."""
    return deviation_is_kept(ctx) or (ctx.provenance.version == (1, 0, 7) and ctx.trained_on != "tensorflow")


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
        kept["axes"] = _dot_axes(config.get("dot_axes", -1))
    return _MERGES[mode], kept


def _dot_axes(saved: Any) -> Any:
    """An axis, or one an input; Keras 0.3 wrote a list of one for each."""
    if isinstance(saved, list | tuple):
        return [axis[0] if isinstance(axis, list | tuple) and len(axis) == 1 else axis for axis in saved]
    return saved
