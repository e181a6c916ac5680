"""Tensors and shapes as messages, and their contents as bytes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kexport.ir import Array, Constant
from kexport.ir.texts import encoded
from kexport_targets.saved_model.schema import FIELDS, TENSOR_TYPES
from kexport_targets.wire import Later, Message


def shape(dims: Sequence[int]) -> Message:
    """A TensorShapeProto; -1 is an unknown length."""
    message = Message()
    for dim in dims:
        message.message(FIELDS["TensorShapeProto"]["dim"], Message().integer(FIELDS["Dim"]["size"], dim))
    return message


def tensor(constant: Constant) -> Message:
    """A TensorProto; numbers are read when it is written."""
    if constant.dtype == "string":
        return texts([encoded(item) for item in constant.numpy().reshape(-1).tolist()], constant.shape)
    message = _head(constant.dtype, constant.shape)
    later = Later(constant.nbytes, lambda: contents(constant))
    return message.later(FIELDS["TensorProto"]["tensor_content"], later)


def texts(items: Sequence[bytes], dims: Sequence[int]) -> Message:
    """A TensorProto of strings, the last axis the fastest."""
    message = _head("string", dims)
    for item in items:
        message.text(FIELDS["TensorProto"]["string_val"], item)
    return message


def contents(constant: Constant) -> bytes:
    """Little endian, the last axis the fastest."""
    array = np.ascontiguousarray(constant.numpy())
    if constant.dtype == "bfloat16":
        array = _bfloat16(array)
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()


def _head(dtype: str, dims: Sequence[int]) -> Message:
    fields = FIELDS["TensorProto"]
    message = Message().integer(fields["dtype"], TENSOR_TYPES[dtype])
    return message.message(fields["tensor_shape"], shape(dims))


def _bfloat16(array: Array) -> Array:
    """float32 as the bits of the nearest bfloat16, halves to even."""
    bits = array.astype(np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)
