"""Writes operations as a GraphDef, alone or in a SavedModel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from kexport.contracts import Port, Signature
from kexport.errors import UnsupportedOpError
from kexport.ir import Array, Constant
from kexport_targets.saved_model.emit import Dims, DType, Operation, Program
from kexport_targets.saved_model.schema import FIELDS, GRAPH_VERSION, TENSOR_TYPES
from kexport_targets.saved_model.wire import Later, Message

#: A protobuf message holds less than 2 GiB.
MOST: Final = (1 << 31) - 1

#: What TF Serving calls a signature from tensors to tensors (``PREDICT_METHOD_NAME``,
#: tensorflow/python/saved_model/signature_constants.py).
_PREDICT: Final = "tensorflow/serving/predict"


def graph_def(program: Program) -> Message:
    """The GraphDef.

    Raises:
        UnsupportedOpError: it would be too large.
    """
    fields, message = FIELDS["GraphDef"], Message()
    for operation in program.operations:
        message.message(fields["node"], _node(operation))
    message.message(fields["versions"], Message().integer(FIELDS["VersionDef"]["producer"], GRAPH_VERSION))
    if message.size > MOST:
        raise UnsupportedOpError(
            f"The model takes {message.size / 1e9:.1f} GB, and a TensorFlow graph holds its weights in one message of less than 2.1 GB.",
            hint="Export to ONNX, which keeps weights in a file beside.",
        )
    return message


def saved_model(graph: Message, signatures: Sequence[Signature], *, tags: Sequence[str]) -> Message:
    """A SavedModel with that GraphDef. Ports' ``artifact_name`` are tensors of it."""
    fields, about = FIELDS["MetaGraphDef"], Message()
    for tag in tags:
        about.text(FIELDS["MetaInfoDef"]["tags"], tag)
    about.integer(FIELDS["MetaInfoDef"]["stripped_default_attrs"], 1)
    meta = Message().message(fields["meta_info_def"], about).message(fields["graph_def"], graph)
    for signature in signatures:
        meta.message(fields["signature_def"], _entry(signature.name, _signature(signature)))
    fields = FIELDS["SavedModel"]
    whole = Message().integer(fields["saved_model_schema_version"], 1)
    return whole.message(fields["meta_graphs"], meta)


def _entry(key: str, value: Message) -> Message:
    """An entry of a map."""
    return Message().text(FIELDS["Entry"]["key"], key).message(FIELDS["Entry"]["value"], value)


def _signature(signature: Signature) -> Message:
    fields, message = FIELDS["SignatureDef"], Message()
    for key, ports in (("inputs", signature.inputs), ("outputs", signature.outputs)):
        for port in ports:
            message.message(fields[key], _entry(port.name, _tensor_info(port)))
    return message.text(fields["method_name"], _PREDICT)


def _tensor_info(port: Port) -> Message:
    fields = FIELDS["TensorInfo"]
    shape = Dims(dim if isinstance(dim, int) else -1 for dim in port.type.shape)
    message = Message().text(fields["name"], port.artifact_name)
    message.integer(fields["dtype"], TENSOR_TYPES[port.type.dtype])
    return message.message(fields["tensor_shape"], _shape(shape))


def _node(operation: Operation) -> Message:
    fields = FIELDS["NodeDef"]
    message = Message().text(fields["name"], operation.name).text(fields["op"], operation.op)
    for name in operation.inputs:
        message.text(fields["input"], name)
    for key, value in sorted(operation.attributes.items()):
        message.message(fields["attr"], _entry(key, _attribute(value)))
    return message


def _attribute(value: Any) -> Message:
    fields, message = FIELDS["AttrValue"], Message()
    match value:
        case DType():
            return message.integer(fields["type"], TENSOR_TYPES[value])
        case Dims():
            return message.message(fields["shape"], _shape(value))
        case Constant():
            return message.message(fields["tensor"], _tensor(value))
        case bool():
            return message.integer(fields["b"], int(value))
        case int():
            return message.integer(fields["i"], value)
        case float():
            return message.float32(fields["f"], value)
        case bytes():
            return message.text(fields["s"], value)
        case list():
            numbers = Message().integers(FIELDS["ListValue"]["i"], value)
            return message.message(fields["list"], numbers)
    raise TypeError(f"An attribute can't be {value!r}.")


def _shape(dims: Sequence[int]) -> Message:
    message = Message()
    for dim in dims:
        message.message(FIELDS["TensorShapeProto"]["dim"], Message().integer(FIELDS["Dim"]["size"], dim))
    return message


def _tensor(constant: Constant) -> Message:
    fields = FIELDS["TensorProto"]
    message = Message().integer(fields["dtype"], TENSOR_TYPES[constant.dtype])
    message.message(fields["tensor_shape"], _shape(constant.shape))
    return message.later(fields["tensor_content"], Later(constant.nbytes, lambda: _bytes(constant)))


def _bytes(constant: Constant) -> bytes:
    array = np.ascontiguousarray(constant.numpy())
    if constant.dtype == "bfloat16":
        array = _bfloat16(array)
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()


def _bfloat16(array: Array) -> Array:
    """float32 as the bits of the nearest bfloat16, halves to even."""
    bits = array.astype(np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)
