"""Operations of ``keras.ops`` and of Python's operators on Keras tensors, which Functional models save like layers.

``x + 3.0`` is the operation ``Add`` called on (x, 3.0); its rule is ``ops.Add``. A family a file.
"""

from kexport.lowering.operations import (  # registers
    casting,
    comparison,
    elementwise,
    indexing,
    shape,
)

__all__ = ["casting", "comparison", "elementwise", "indexing", "shape"]
