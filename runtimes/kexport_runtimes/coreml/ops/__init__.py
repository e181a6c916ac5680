"""The kernels, a family of operations a file. ``load`` registers them all."""

from __future__ import annotations

from importlib import import_module

_FAMILIES = (
    "activations",
    "attention",
    "classifying",
    "compression",
    "control_flow",
    "convolution",
    "creation",
    "elementwise_binary",
    "elementwise_unary",
    "gathering",
    "linear",
    "normalization",
    "pooling",
    "quantization",
    "randomness",
    "recurrent",
    "reductions",
    "resampling",
    "resizing",
    "scattering",
    "shapes",
    "slicing",
    "sorting",
    "space_depth",
    "states",
)


def load() -> None:
    """Import every family, which registers its kernels."""
    for family in _FAMILIES:
        import_module(f"{__name__}.{family}")
