"""Which dtype operands of several come to, as keras/src/backend/common/dtypes.py (v3.15) says.

Dtypes form a lattice; the result is the least type above all operands. ``int`` and ``float`` are the weak types of Python's
numbers, which yield to any tensor's integers and floats. In brackets what is next above:

    bool [int]   int [uint8, int8]   float [bfloat16, float16]
    uint8 [int16, uint16]   uint16 [int32, uint32]   uint32 [int64, uint64]   uint64 [float]
    int8 [int16]   int16 [int32]   int32 [int64]   int64 [float]
    bfloat16 [float32]   float16 [float32]   float32 [float64]
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from kexport.ir import Value, dims, dtypes
from kexport.lowering.registry import Context

_ABOVE: dict[str, tuple[str, ...]] = {
    "bool": ("int",),
    "uint8": ("int16", "uint16"),
    "uint16": ("int32", "uint32"),
    "uint32": ("int64", "uint64"),
    "uint64": ("float",),
    "int": ("uint8", "int8"),
    "int8": ("int16",),
    "int16": ("int32",),
    "int32": ("int64",),
    "int64": ("float",),
    "float": ("bfloat16", "float16"),
    "bfloat16": ("float32",),
    "float16": ("float32",),
    "float32": ("float64",),
    "float64": (),
}

#: What a result of weak operands alone is, and ``uint64``, which Keras has no use for.
_STRONG = {"int": "int32", "float": "float32", "uint64": "uint32"}


@cache
def _bounds(dtype: str) -> frozenset[str]:
    return frozenset([dtype]).union(*(_bounds(above) for above in _ABOVE[dtype]))


def result_type(*found: str) -> str:
    """The dtype that operands of these dtypes (``int`` and ``float`` for Python's numbers) are promoted to.

    Raises:
        ValueError: one is not part of the lattice.
    """
    unknown = [dtype for dtype in found if dtype not in _ABOVE]
    if unknown:
        raise ValueError(f"numbers and bool are promoted. Received: {unknown}")
    common = frozenset.intersection(*(_bounds(dtype) for dtype in found))
    (least,) = (dtype for dtype in common if common <= _bounds(dtype))
    return _STRONG.get(least, least)


def dtype_of(ctx: Context, item: Any) -> str:
    """The dtype of an operand as :func:`result_type` takes it; a list is a tensor of int32 or float32, an open
    length a number."""
    if isinstance(item, Value):
        return item.dtype
    if isinstance(item, bool):
        return "bool"
    if isinstance(item, int | dims.Symbolic):
        return "int"
    if isinstance(item, float):
        return "float"
    kind = np.asarray(item).dtype
    if isinstance(item, np.ndarray) and kind.name in dtypes.ALL:
        return kind.name
    if isinstance(item, list | tuple) and kind.kind in "biuf":
        return {"b": "bool", "f": "float32"}.get(kind.kind, "int32")
    raise ctx.error(f"Its arguments are tensors, arrays and numbers. Received: {item!r}")
