"""Operations of ``keras.ops`` and of Python's operators on Keras tensors, which Functional models save like layers.

``x + 3.0`` is the operation ``Add`` called on (x, 3.0); its rule is ``ops.Add``. A family a file. What depends on the data
in its shape, draws random numbers, or decomposes matrices has no rule.
"""

from kexport.lowering.operations import (  # registers
    activations,
    casting,
    comparison,
    elementwise,
    filling,
    image,
    indexing,
    joining,
    linear,
    nn,
    reduction,
    shape,
)

__all__ = [
    "activations",
    "casting",
    "comparison",
    "elementwise",
    "filling",
    "image",
    "indexing",
    "joining",
    "linear",
    "nn",
    "reduction",
    "shape",
]
