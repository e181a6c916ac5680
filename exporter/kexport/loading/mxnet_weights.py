"""Weights as Keras 3 keeps them, from what keras-mxnet wrote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kexport.ir import Constant
from kexport.loading.spec import LayerSpec
from kexport.loading.weight_layout import Variable

#: Where the last two axes of a kernel of Keras stand in the file's, where channels are first: MXNet's own layout, with the window last
#: (``kernel_shape`` and its like in keras/layers/convolutional.py of keras-mxnet 2.2.4.3).
_LAST_AXES = {
    **{(f"Conv{n}D", "kernel"): (1, 0) for n in (1, 2, 3)},
    **{(f"Conv{n}DTranspose", "kernel"): (1, 0) for n in (2, 3)},
    ("DepthwiseConv2D", "depthwise_kernel"): (0, 1),
    ("DepthwiseConv2D", "kernel"): (0, 1),
    **{(f"SeparableConv{n}D", "depthwise_kernel"): (0, 1) for n in (1, 2)},
    **{(f"SeparableConv{n}D", "pointwise_kernel"): (1, 0) for n in (1, 2)},
}


def mxnet_variables(layer: LayerSpec, usual: Sequence[Variable]) -> list[Variable]:
    """The arrays that keras-mxnet keeps for a layer: kernels in MXNet's layout, and all four of a batch normalization."""
    if layer.class_name == "BatchNormalization":
        centred = layer.config.get("center") is not False
        trainable = {"gamma": True, "beta": centred, "moving_mean": False, "moving_variance": False}
        return [Variable(name, (None,), trainable=trains) for name, trains in trainable.items()]
    if layer.config.get("data_format") != "channels_first":
        return list(usual)
    return [replace(v, shape=None) if (layer.class_name, v.name) in _LAST_AXES else v for v in usual]


def from_mxnet(layer: LayerSpec) -> LayerSpec:
    """The layer with its weights in Keras 3's layout.

    A batch normalization there multiplies by nothing: ``fix_gamma`` of MXNet's operator is on (``mxnet_batchnorm`` in
    keras/backend/mxnet_backend.py, 2.2.4.3), so whatever stands in its gamma was never used.
    """
    weights = dict(layer.weights)
    if layer.class_name == "BatchNormalization" and "gamma" in weights:
        del weights["gamma"]
        return replace(layer, weights=weights, config={**layer.config, "scale": False, "center": True})
    if layer.config.get("data_format") == "channels_first":
        weights = {name: _window_first(layer.class_name, name, kept) for name, kept in weights.items()}
    return replace(layer, weights=weights)


def _window_first(class_name: str, name: str, kernel: Constant) -> Constant:
    last, rank = _LAST_AXES.get((class_name, name)), len(kernel.shape)
    if last is None or rank < 3:
        return kernel
    order = (*range(2, rank), *last)
    return kernel.map(lambda array: array.transpose(order), shape=[kernel.shape[axis] for axis in order])
