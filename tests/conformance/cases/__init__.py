"""The conformance table: one row a layer case, run on every target.

A row builds a small model in the Keras API that both Keras 3 and tf_keras (Keras 2) share; ``make_models.py`` saves it with
each of them and records its outputs. Rows that only one of them can build say so in ``only``. A family is a file, and its
models are made anew when that file changes.
"""

from __future__ import annotations

from importlib import import_module

from .case import Case

_FILES = (
    "architectures",
    "attention",
    "audio",
    "basic",
    "convolution",
    "dtypes",
    "locally_connected",
    "lookups",
    "merging",
    "models",
    "normalization",
    "pooling",
    "preprocessing",
    "quantized",
    "recurrent",
    "spatial",
    "text",
)

FAMILIES: dict[str, tuple[Case, ...]] = {
    name: import_module(f".{name}", __package__).CASES for name in _FILES
}
