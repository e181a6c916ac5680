"""The ops of the graph, each specified once: inputs, attributes, type rule, meaning in NumPy.

A family a file; importing this package registers them all.
"""

from kexport.ir.ops import (  # registers
    attention,
    convolution,
    elementwise,
    hashing,
    indexing,
    linear,
    loop,
    normalization,
    pooling,
    quantization,
    recurrent,
    reduction,
    resize,
    shape,
    sorting,
    text,
)
from kexport.ir.ops._registry import (
    FUSED_ACTIVATIONS,
    OpError,
    OpSpec,
    complete_attrs,
    get,
    infer_types,
    known_ops,
)

__all__ = [
    "FUSED_ACTIVATIONS",
    "OpError",
    "OpSpec",
    "attention",
    "complete_attrs",
    "convolution",
    "elementwise",
    "get",
    "hashing",
    "indexing",
    "infer_types",
    "known_ops",
    "linear",
    "loop",
    "normalization",
    "pooling",
    "quantization",
    "recurrent",
    "reduction",
    "resize",
    "shape",
    "sorting",
    "text",
]
