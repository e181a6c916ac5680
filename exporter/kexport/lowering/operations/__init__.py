"""Operations of ``keras.ops`` and of Python's operators on Keras tensors, which Functional models save like layers.

``x + 3.0`` is the operation ``Add`` called on (x, 3.0); its rule is ``ops.Add``. A family a file. What has no rule stands in
``refused`` with the reason.
"""

from kexport.lowering.operations import (  # registers
    activations,
    casting,
    comparison,
    elementwise,
    filling,
    functions,
    image,
    indexing,
    joining,
    linear,
    matrices,
    measures,
    nn,
    patches,
    reduction,
    refused,
    scattering,
    shape,
    signals,
    sorting,
    warping,
)

__all__ = [
    "activations",
    "casting",
    "comparison",
    "elementwise",
    "filling",
    "functions",
    "image",
    "indexing",
    "joining",
    "linear",
    "matrices",
    "measures",
    "nn",
    "patches",
    "reduction",
    "refused",
    "scattering",
    "shape",
    "signals",
    "sorting",
    "warping",
]
