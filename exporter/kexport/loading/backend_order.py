"""Weights as Keras 3 keeps them, from what Keras 1, CuDNN layers and other backends wrote."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kexport.ir import Constant
from kexport.ir.graph import Array
from kexport.loading.context import Context
from kexport.loading.keras1_weights import from_keras1, keras1_variables
from kexport.loading.mxnet_weights import from_mxnet, mxnet_variables
from kexport.loading.spec import LayerSpec, Provenance
from kexport.loading.weight_layout import Variable, shape_fits, variables_of

_FLIPPED = {
    **{f"Conv{n}D": ("kernel",) for n in (1, 2, 3)},
    **{f"Conv{n}DTranspose": ("kernel",) for n in (2, 3)},
    "ConvLSTM2D": ("kernel", "recurrent_kernel"),
}
"""What Theano convolves (kernel mirrored) where the other backends correlate. Depthwise kernels are not among them: Keras's
Theano backend mirrors them itself (keras/backend/theano_backend.py, ``_preprocess_conv2d_depthwise_kernel``, 2.3.1)."""


def variables_in_file(layer: LayerSpec, ctx: Context) -> list[Variable] | None:
    """The arrays that the writing version and backend keep for a layer; None where its class is unknown."""
    if ctx.provenance.keras_major == 1:
        return keras1_variables(layer, ctx)
    usual = variables_of(layer)
    if ctx.trained_on == "mxnet" and usual is not None:
        return mxnet_variables(layer, usual)
    if ctx.provenance.keras_major == 2 and layer.class_name in _CUDNN_TWINS and usual is not None:
        # The weights of a CuDNN layer fit its plain twin, and the other way round; the bias tells them apart.
        return [replace(v, shape=None) if v.name == "bias" else v for v in usual]
    return usual


_CUDNN_TWINS = {"LSTM": "CuDNNLSTM", "GRU": "CuDNNGRU", "CuDNNLSTM": "LSTM", "CuDNNGRU": "GRU"}


def _by_bias(layer: LayerSpec) -> LayerSpec:
    """The layer under the class whose weights it has: a model made again without a GPU, or with one, loads those of the other
    (``_convert_rnn_weights`` in keras/engine/saving.py, 2.3.1)."""
    bias, recurrent = layer.weights.get("bias"), layer.weights.get("recurrent_kernel")
    if layer.class_name not in _CUDNN_TWINS or bias is None or recurrent is None:
        return layer
    of_cudnn = len(bias.shape) == 1 and bias.size == 2 * recurrent.shape[-1]
    if of_cudnn == layer.class_name.startswith("CuDNN"):
        return layer
    if not of_cudnn:
        return replace(_from_cudnn_config(layer), class_name=_CUDNN_TWINS[layer.class_name])
    if layer.class_name == "GRU" and not layer.config.get("reset_after"):
        return layer  # Keras refuses it too: the shape of its bias does not fit.
    return replace(layer, weights=_from_cudnn(layer, lstm=layer.class_name == "LSTM"))


def normalized(layer: LayerSpec, ctx: Context) -> LayerSpec:
    """The layer with its weights in Keras 3's layout.

    Raises:
        ModelReadError: a weight does not have the shape that the config asks for.
    """
    if ctx.provenance.keras_major == 1:
        layer = replace(layer, weights=from_keras1(layer, ctx))
    if ctx.trained_on == "mxnet":
        layer = from_mxnet(layer)
    layer = _by_bias(layer)
    if layer.class_name in {"CuDNNLSTM", "CuDNNGRU"}:
        weights = _from_cudnn(layer, lstm=layer.class_name == "CuDNNLSTM")
        layer = replace(_from_cudnn_config(layer), class_name=_CUDNN_TWINS[layer.class_name], weights=weights)
    if takes_reset_gates_for_input(layer, ctx.provenance):
        layer = replace(layer, weights=_with_reset_gates(layer))
    for variable in variables_of(layer) or ():
        held = layer.weights.get(variable.name)
        if held is not None and not shape_fits(variable.shape, held.shape):
            raise ctx.misfit(layer.path, variable.name, variable.shape, held.shape)
    if ctx.trained_on == "theano":
        names = _FLIPPED.get(layer.class_name, ())
        layer = replace(
            layer, weights={k: _mirrored(v) if k in names else v for k, v in layer.weights.items()}
        )
    return layer


def differs_on_theano(layer: LayerSpec) -> bool:
    """Whether the layer computes something else on Theano, from the same weights: with mirrored kernels, or other padding."""
    pads = layer.class_name.endswith(("Pooling1D", "Pooling2D", "Pooling3D")) or "Conv" in layer.class_name
    return layer.class_name in _FLIPPED or (pads and layer.config.get("padding") == "same")


def takes_reset_gates_for_input(layer: LayerSpec, provenance: Provenance) -> bool:
    """Whether the layer is a GRU of Keras 2.0.0 or 2.0.1 with a mistake in it: with ``implementation=1`` and a bias, its candidate
    read ``x_r + bias_h`` for ``x_h + bias_h`` (``step`` in keras/layers/recurrent.py), and was trained that way."""
    return (
        layer.class_name == "GRU"
        and provenance.library == "keras"
        and provenance.version in {(2, 0, 0), (2, 0, 1)}
        and layer.config.get("implementation") == 1
        and bool(layer.config.get("use_bias", True))
    )


def _with_reset_gates(layer: LayerSpec) -> dict[str, Constant]:
    """The weights with which a GRU computes what that mistake did: the input's reset columns for the candidate's, biases added."""
    kernel, bias = layer.weights["kernel"], layer.weights["bias"]
    units = kernel.shape[-1] // 3

    def joined(array: Array, candidate: Array) -> Array:
        return np.concatenate([array[..., : 2 * units], candidate], axis=-1)

    def columns(array: Array) -> Array:
        return joined(array, array[..., units : 2 * units])

    def sums(array: Array) -> Array:
        return joined(array, array[units : 2 * units] + array[2 * units :])

    return {**layer.weights, "kernel": kernel.map(columns), "bias": bias.map(sums)}


def _mirrored(kernel: Constant) -> Constant:
    """The kernel reversed along every spatial axis: all but the last two."""
    axes = tuple(range(len(kernel.shape) - 2))
    return kernel.map(lambda array: array[tuple(slice(None, None, -1) for _ in axes)])


def _from_cudnn(layer: LayerSpec, *, lstm: bool) -> dict[str, Constant]:
    """The weights of the plain layer that computes what a CuDNN layer does (``_convert_rnn_weights`` in keras/engine/saving.py,
    2.3.1).

    CuDNN's matrices are transposed gate by gate; an LSTM adds its two biases, a GRU keeps both (``reset_after``).
    """
    gates = 4 if lstm else 3
    kernel, recurrent, bias = (layer.weights[name] for name in ("kernel", "recurrent_kernel", "bias"))
    units = recurrent.shape[0]

    def untwisted(array: Array) -> Array:
        rows = array.shape[0]
        stacked = array.reshape(rows, gates, units).transpose(1, 0, 2)
        return stacked.reshape(gates, units, rows).transpose(2, 0, 1).reshape(rows, gates * units)

    def biases(array: Array) -> Array:
        pair = array.reshape(2, gates * units)
        return pair.sum(axis=0) if lstm else pair

    return {
        "kernel": kernel.map(untwisted),
        "recurrent_kernel": recurrent.map(untwisted),
        "bias": bias.map(biases, shape=(gates * units,) if lstm else (2, gates * units)),
    }


def _from_cudnn_config(layer: LayerSpec) -> LayerSpec:
    """A CuDNN layer with the arguments that its plain twin needs to compute the same; the class is as it was."""
    config = {
        **layer.config,
        "activation": "tanh",
        "recurrent_activation": "sigmoid",
        "use_bias": True,
        "dropout": 0.0,
        "recurrent_dropout": 0.0,
        "unroll": False,
        **({} if layer.class_name == "CuDNNLSTM" else {"reset_after": True}),
    }
    return replace(layer, config=config)
