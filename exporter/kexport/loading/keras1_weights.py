"""Keras 1's weights: which arrays a layer has, and how they become Keras 3's.

keras/engine/saving.py of Keras 2.3 (``preprocess_weights_for_loading``) is the source of each layout.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from kexport.ir import Constant
from kexport.ir.graph import Array
from kexport.loading.context import Context
from kexport.loading.keras1 import adds_epsilon_to_deviation, deviation_is_kept
from kexport.loading.spec import LayerSpec
from kexport.loading.weight_layout import Variable, variables_of

Weights = Mapping[str, Constant]

_GATES = {"LSTM": "icfo", "GRU": "zrh", "ConvLSTM2D": "icfo"}
"""The gates in the file's order. Keras 3's LSTM keeps them as i, f, c, o."""

_PARTS = {"kernel": "W", "recurrent_kernel": "U", "bias": "b"}
_KERNELS = ("kernel", "depthwise_kernel", "pointwise_kernel")
_TH_LAYOUTS = {
    "Conv2D": (2, 3, 1, 0),
    "SeparableConv2D": (2, 3, 1, 0),
    "Conv3D": (2, 3, 4, 1, 0),
    "Conv2DTranspose": (2, 3, 0, 1),
}


def keras1_variables(layer: LayerSpec, ctx: Context) -> list[Variable] | None:
    """The arrays that Keras 1 keeps for a layer, under the names that :func:`from_keras1` expects."""
    gates = _GATES.get(layer.class_name)
    if gates is not None and not _already_joined(layer):
        return [Variable(f"{part}_{gate}", holder="cell") for gate in gates for part in _PARTS.values()]
    usual = variables_of(layer)
    if layer.class_name == "Highway" and usual is not None and ctx.provenance.version < (1, 2):
        # W, b, W_carry, b_carry until 1.1.2 (keras/layers/core.py).
        return sorted(usual, key=lambda variable: variable.name.endswith("_carry"))
    if usual is None or layer.class_name not in {*_TH_LAYOUTS, "Conv1D"}:
        return usual
    return [Variable(v.name, None if v.name in _KERNELS else v.shape, v.trainable, v.holder) for v in usual]


def _already_joined(layer: LayerSpec) -> bool:
    """Whether the gates stand side by side already, in Keras 3's order: ``consume_less="gpu"`` (keras/layers/recurrent.py, 1.2.2)."""
    return layer.config.get("consume_less") == "gpu"


def from_keras1(layer: LayerSpec, ctx: Context) -> dict[str, Constant]:
    """The layer's weights in Keras 3's names and layouts."""
    weights = layer.weights
    if layer.class_name == "BatchNormalization" and adds_epsilon_to_deviation(ctx):
        return {**weights, "moving_variance": _variance(layer, is_deviation=deviation_is_kept(ctx))}
    if layer.class_name in _GATES and not _already_joined(layer):
        return _gates_side_by_side(layer)
    if layer.class_name == "Conv1D":
        return {**weights, "kernel": _conv1d_kernel(weights["kernel"], layer)}
    order = _kernel_order(layer)
    if order is None:
        return dict(weights)
    return {name: _transposed(value, order) if name in _KERNELS else value for name, value in weights.items()}


def _variance(layer: LayerSpec, *, is_deviation: bool) -> Constant:
    """The variance with which ``sqrt(variance + epsilon)`` is the ``deviation + epsilon`` that the layer divides by."""
    epsilon = float(layer.config.get("epsilon") or 0)

    def read(kept: Array) -> Array:
        wide = kept.astype(np.float64)
        deviation = wide if is_deviation else np.sqrt(wide)
        made: Array = (deviation + epsilon) ** 2 - epsilon
        return made

    return layer.weights["moving_variance"].map(read, dtype="float64")


def _kernel_order(layer: LayerSpec) -> tuple[int, ...] | None:
    """The axes of the file's kernel in Keras 3's order; None where they are in that order."""
    if layer.config.get("data_format") == "channels_first":
        return _TH_LAYOUTS.get(layer.class_name)
    return (0, 1, 3, 2) if layer.class_name == "Conv2DTranspose" else None


def _transposed(value: Constant, order: Sequence[int]) -> Constant:
    if len(value.shape) != len(order):
        return value
    return value.map(lambda array: array.transpose(order), shape=[value.shape[axis] for axis in order])


def _conv1d_kernel(kernel: Constant, layer: LayerSpec) -> Constant:
    """Keras 1.2 has (length, 1, in, out), Keras 1.0 and 1.1 (out, in, length, 1)."""
    if len(kernel.shape) != 4:
        return kernel
    size = layer.config.get("kernel_size")
    length = size[0] if isinstance(size, list | tuple) and size else size
    if kernel.shape[:2] != (length, 1) or kernel.shape[3] != layer.config.get("filters"):
        kernel = _transposed(kernel, (2, 3, 1, 0))
    shape = (kernel.shape[0], *kernel.shape[2:])
    return kernel.map(lambda array: array[:, 0], shape=shape)


def _gates_side_by_side(layer: LayerSpec) -> dict[str, Constant]:
    """One array a gate becomes one array for all gates, in Keras 3's order of gates, along the last axis."""
    order = "ifco" if _GATES[layer.class_name] == "icfo" else "zrh"
    transpose = layer.class_name == "ConvLSTM2D" and layer.config.get("data_format") == "channels_first"
    made = {}
    for name, part in _PARTS.items():
        gates = [layer.weights[f"{part}_{gate}"] for gate in order]
        if transpose and part != "b":
            gates = [_transposed(gate, (2, 3, 1, 0)) for gate in gates]
        made[name] = _joined(gates)
    return made


def _joined(parts: list[Constant]) -> Constant:
    shape = (*parts[0].shape[:-1], sum(part.shape[-1] if part.shape else 0 for part in parts))
    read: Callable[[], Array] = lambda: np.concatenate([part.numpy() for part in parts], axis=-1)  # noqa: E731  typed
    return Constant.lazy(parts[0].dtype, shape, read)
