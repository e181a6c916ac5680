"""Arrays as TensorProtos, and back (tensorflow/core/framework/tensor.proto)."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from kexport_runtimes.tf_serving.errors import ServerError
from kexport_runtimes.tf_serving.model import DTYPES

#: ``DataType``'s numbers.
NUMBERS: Final = {
    "float32": 1,
    "float64": 2,
    "int32": 3,
    "uint8": 4,
    "int16": 5,
    "int8": 6,
    "string": 7,
    "int64": 9,
    "bool": 10,
    "bfloat16": 14,
    "uint16": 17,
    "float16": 19,
    "uint32": 22,
    "uint64": 23,
}
NAMES: Final = {number: name for name, number in NUMBERS.items()}
assert set(NUMBERS) == set(DTYPES.values())

#: Where a dtype's elements are, if not all in one piece.
_FIELDS: Final = {
    **dict.fromkeys(("int32", "uint8", "int16", "int8", "uint16"), "int_val"),
    "float32": "float_val",
    "float64": "double_val",
    "int64": "int64_val",
    "bool": "bool_val",
    "uint32": "uint32_val",
    "uint64": "uint64_val",
    "float16": "half_val",
    "bfloat16": "half_val",
}

#: A tensor with more elements is not taken from a few bytes that say so.
_MOST_ELEMENTS: Final = 1 << 28


def fill(tensor: Any, array: NDArray[Any], dtype: str) -> None:
    """Put an array into a TensorProto; bfloat16 is given as float32."""
    tensor.dtype = NUMBERS[dtype]
    for size in array.shape:
        tensor.tensor_shape.dim.add().size = size
    if dtype == "string":
        tensor.string_val.extend(_bytes(item) for item in array.reshape(-1).tolist())
        return
    data = np.ascontiguousarray(array)
    if dtype == "bfloat16":
        bits = data.astype(np.float32).view(np.uint32).astype(np.uint64)
        data = ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)
    tensor.tensor_content = data.astype(data.dtype.newbyteorder("<"), copy=False).tobytes()


def array(tensor: Any, name: str) -> NDArray[Any]:
    """The array of a TensorProto; bfloat16 as float32, text as str or, where a name says so, as bytes.

    Raises:
        ServerError: it is not whole.
    """
    shape = tuple(int(dim.size) for dim in tensor.tensor_shape.dim)
    dtype = NAMES.get(int(tensor.dtype))
    if dtype is None or min(shape, default=0) < 0 or math.prod(shape) > _MOST_ELEMENTS:
        raise ServerError(
            "garbage", f"Output {name!r} is a tensor of dtype {tensor.dtype} and shape {shape}."
        )
    count = math.prod(shape)
    if dtype == "string":
        if len(tensor.string_val) != count:
            raise _incomplete(name, shape)
        return _texts(list(tensor.string_val), name).reshape(shape)
    stored = np.dtype("uint16" if dtype == "bfloat16" else dtype)
    if tensor.tensor_content:
        if len(tensor.tensor_content) != count * stored.itemsize:
            raise _incomplete(name, shape)
        items = np.frombuffer(tensor.tensor_content, stored.newbyteorder("<")).astype(stored)
    else:
        items = _listed(tensor, dtype, stored, count, name, shape)
    items = items.reshape(shape)
    if dtype == "bfloat16":
        wide: NDArray[Any] = (items.astype(np.uint32) << 16).view(np.float32)
        return wide
    return items


def _texts(items: list[bytes], name: str) -> NDArray[Any]:
    """Bytes where the name says so, as over REST, else text."""
    if name.endswith("_bytes"):
        return np.array(items, np.bytes_)
    return np.array([item.decode("utf-8", "replace") for item in items], np.str_)


def _listed(
    tensor: Any, dtype: str, stored: np.dtype[Any], count: int, name: str, shape: tuple[int, ...]
) -> NDArray[Any]:
    """Elements of a field; the last one stands for all that follow."""
    values = getattr(tensor, _FIELDS[dtype])
    if len(values) > count or (count and not values):
        raise _incomplete(name, shape)
    if dtype in ("float16", "bfloat16"):
        items: NDArray[Any] = np.asarray(values, np.uint16)
        items = items.view(np.float16) if dtype == "float16" else items
    else:
        items = np.asarray(values, stored)
    return np.pad(items, (0, count - len(items)), mode="edge") if len(items) < count else items


def _incomplete(name: str, shape: tuple[int, ...]) -> ServerError:
    return ServerError("garbage", f"Output {name!r} has not the elements of its shape {shape}.")


def _bytes(item: Any) -> bytes:
    return item if isinstance(item, bytes) else str(item).encode()
