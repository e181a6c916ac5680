"""Writes operations as a GraphDef, alone or in a SavedModel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from kexport.contracts import Port, Signature
from kexport.errors import UnsupportedOpError
from kexport.ir import Constant
from kexport_targets.saved_model import tensors
from kexport_targets.saved_model.emit import Dims, DType, Operation, Program, Saver, Texts, Variable
from kexport_targets.saved_model.schema import FIELDS, GRAPH_VERSION, TENSOR_TYPES
from kexport_targets.wire import Message

#: A protobuf message holds less than 2 GiB.
MOST: Final = (1 << 31) - 1

#: What TF Serving calls a signature from tensors to tensors (``PREDICT_METHOD_NAME``,
#: tensorflow/python/saved_model/signature_constants.py).
_PREDICT: Final = "tensorflow/serving/predict"


#: ``SaverDef.CheckpointFormatVersion.V2`` (tensorflow/core/protobuf/saver.proto).
_CHECKPOINT_V2: Final = 2


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
            hint="Export to saved_model or to ONNX, which keep weights in a file beside.",
        )
    return message


def saved_model(
    program: Program, signatures: Sequence[Signature], *, tags: Sequence[str], saver: Saver | None = None
) -> Message:
    """A SavedModel. Ports' ``artifact_name`` are tensors of the program; ``saver`` restores its variables, where it has any.

    Raises:
        UnsupportedOpError: it would be too large.
    """
    fields, about = FIELDS["MetaGraphDef"], Message()
    for tag in tags:
        about.text(FIELDS["MetaInfoDef"]["tags"], tag)
    about.integer(FIELDS["MetaInfoDef"]["stripped_default_attrs"], 1)
    meta = Message().message(fields["meta_info_def"], about).message(fields["graph_def"], graph_def(program))
    if saver is not None:
        meta.message(fields["saver_def"], _saver(saver))
    for key, collection in _collections(program):
        meta.message(fields["collection_def"], _entry(key, collection))
    for signature in signatures:
        meta.message(fields["signature_def"], _entry(signature.name, _signature(signature)))
    fields = FIELDS["SavedModel"]
    whole = Message().integer(fields["saved_model_schema_version"], 1)
    return whole.message(fields["meta_graphs"], meta)


def _saver(saver: Saver) -> Message:
    fields = FIELDS["SaverDef"]
    message = Message().text(fields["filename_tensor_name"], f"{saver.file}:0")
    message.text(fields["save_tensor_name"], f"{saver.save}:0").text(fields["restore_op_name"], saver.restore)
    return message.integer(fields["version"], _CHECKPOINT_V2)


def _collections(program: Program) -> Iterator[tuple[str, Message]]:
    """What TensorFlow 2 finds the variables by: those of the checkpoint, and local ones, which are in none; and what loaders run once
    the variables are there (``GLOBAL_VARIABLES``, ``LOCAL_VARIABLES``, tensorflow/python/framework/ops.py; ``MAIN_OP_KEY``,
    tensorflow/python/saved_model/constants.py)."""
    fields = FIELDS["CollectionDef"]
    for key, restored in (("variables", True), ("local_variables", False)):
        items = Message()
        for variable in program.variables:
            if (variable.contents is not None) == restored:
                items.text(FIELDS["BytesList"]["value"], _variable(variable).whole())
        if items.size:
            yield key, Message().message(fields["bytes_list"], items)
    if program.main is not None:
        nodes = Message().text(FIELDS["NodeList"]["value"], program.main)
        yield "saved_model_main_op", Message().message(fields["node_list"], nodes)


def _variable(variable: Variable) -> Message:
    fields = FIELDS["VariableDef"]
    message = Message().text(fields["variable_name"], f"{variable.name}:0")
    message.text(fields["initializer_name"], variable.assigned)
    message.text(fields["snapshot_name"], f"{variable.read}:0")
    return message.integer(fields["is_resource"], 1)


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
    return message.message(fields["tensor_shape"], tensors.shape(shape))


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
        case Texts():
            return message.message(fields["tensor"], tensors.texts(value, (len(value),)))
        case Dims():
            return message.message(fields["shape"], tensors.shape(value))
        case Constant():
            return message.message(fields["tensor"], tensors.tensor(value))
        case bool():
            return message.integer(fields["b"], int(value))
        case int():
            return message.integer(fields["i"], value)
        case float():
            return message.float32(fields["f"], value)
        case bytes():
            return message.text(fields["s"], value)
        case list() if all(isinstance(item, DType) for item in value):
            numbers = [TENSOR_TYPES[item] for item in value]
            return message.message(fields["list"], Message().integers(FIELDS["ListValue"]["type"], numbers))
        case list() if all(isinstance(item, bytes) for item in value):
            texts = Message()
            for item in value:
                texts.text(FIELDS["ListValue"]["s"], item)
            return message.message(fields["list"], texts)
        case list():
            return message.message(fields["list"], Message().integers(FIELDS["ListValue"]["i"], value))
    raise TypeError(f"An attribute can't be {value!r}.")
