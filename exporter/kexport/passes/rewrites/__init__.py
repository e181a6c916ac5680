"""Rewrites that several targets need, in the form that their tables register (:mod:`kexport.passes.rewrite_table`).

Each is a function of a node and a rewriter; window ops are channels-last. A target registers those whose result it holds and whose
input it does not.
"""

from __future__ import annotations

from kexport.passes.rewrites import (
    activations,
    convolution,
    functions,
    kernel_dtypes,
    normalization,
    pooling,
    softmax,
)

__all__ = ["activations", "convolution", "functions", "kernel_dtypes", "normalization", "pooling", "softmax"]
