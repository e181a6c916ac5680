"""Element types: the names that Keras and NumPy share, and what little is asked of them."""

from __future__ import annotations

import numpy as np

FLOATS = ("float16", "bfloat16", "float32", "float64")
SIGNED = ("int8", "int16", "int32", "int64")
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
INTEGERS = SIGNED + UNSIGNED
ALL = (*FLOATS, *INTEGERS, "bool", "string")


def is_float(dtype: str) -> bool:
    """Whether ``dtype`` is one of float16, bfloat16, float32, float64."""
    return dtype in FLOATS


def is_integer(dtype: str) -> bool:
    """Whether ``dtype`` is a signed or unsigned integer (bool is not)."""
    return dtype in INTEGERS


def numpy_dtype(dtype: str) -> np.dtype[np.generic]:
    """The NumPy dtype of that name; ``bfloat16`` has none of NumPy's own and is computed in float32."""
    if dtype == "bfloat16":
        return np.dtype(np.float32)
    return np.dtype(object) if dtype == "string" else np.dtype(dtype)


def itemsize(dtype: str) -> int:
    """Bytes an element."""
    return 2 if dtype == "bfloat16" else numpy_dtype(dtype).itemsize
