"""Lowers Keras models to graphs. One rule a layer class, a family a file; importing this package registers them all."""

from kexport.lowering import (  # registers
    activation_layers,
    application_layers,
    attention,
    conv_lstm,
    convolution,
    dense,
    merging,
    normalization,
    operations,
    pooling,
    preprocessing,
    recurrent,
    regularization,
    reshaping,
    resizing,
    spatial,
    wrappers,
)
from kexport.lowering.driver import lower
from kexport.lowering.registry import Context, known_layers, lowers

__all__ = [
    "Context",
    "activation_layers",
    "application_layers",
    "attention",
    "conv_lstm",
    "convolution",
    "dense",
    "known_layers",
    "lower",
    "lowers",
    "merging",
    "normalization",
    "operations",
    "pooling",
    "preprocessing",
    "recurrent",
    "regularization",
    "reshaping",
    "resizing",
    "spatial",
    "wrappers",
]
