"""Weights as TensorFlow's Keras keeps them, from what other backends and Keras 1 wrote."""

from __future__ import annotations

from kexport.loading.context import Context
from kexport.loading.spec import LayerSpec


def normalized(layer: LayerSpec, ctx: Context) -> LayerSpec:
    """The layer with its weights in Keras 3's layout."""
    del ctx
    return layer
