"""The message of a program, MIL.proto's.

It is what coremltools' exporter writes (converters/mil/backend/mil/load.py, 9.0): parameters are ``const`` operations like weights,
and of these the large ones stand in weight.bin.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from kexport.ir import Constant, Shape
from kexport_targets.coreml.program import Block, Contents, Operation, Tensor
from kexport_targets.coreml.schema import DATA_TYPES, FIELDS
from kexport_targets.coreml.write.weights import WeightFile, little_endian
from kexport_targets.wire import Message

#: Where Core ML looks for the weights.
WEIGHTS: Final = "@model_path/weights/weight.bin"

#: Constants of fewer elements stand in the program itself (``should_use_weight_file``, in that exporter).
_LEAST: Final = 10

#: The dtypes of weight.bin before iOS18, which has int32, too.
_STORED: Final = ("float16", "float32", "int8", "uint8")


class ProgramWriter:
    """Makes the message of a program, writing weights as they come."""

    def __init__(self, weights: WeightFile, *, opset: str, stores_integers: bool) -> None:
        self._weights, self._opset = weights, opset
        self._stored = (*_STORED, "int32") if stores_integers else _STORED

    def program(self, block: Block) -> Message:
        """A program whose one function, ``main``, runs ``block``."""
        fields, function = FIELDS["Function"], Message()
        for tensor in block.inputs:
            function.message(fields["inputs"], _named(tensor))
        function.text(fields["opset"], self._opset)
        # A function's inputs are not its block's.
        body = self._block(Block(block.operations, [], block.outputs))
        function.message(fields["block_specializations"], entry(self._opset, body))
        whole = Message().integer(FIELDS["Program"]["version"], 1)
        return whole.message(FIELDS["Program"]["functions"], entry("main", function))

    def _block(self, block: Block) -> Message:
        fields, message = FIELDS["Block"], Message()
        for tensor in block.inputs:
            message.message(fields["inputs"], _named(tensor))
        for name in block.outputs:
            message.text(fields["outputs"], name)
        for operation in block.operations:
            message.message(fields["operations"], self._operation(operation))
        return message

    def _operation(self, operation: Operation) -> Message:
        fields = FIELDS["Operation"]
        message = Message().text(fields["type"], operation.op)
        for key, names in operation.inputs.items():
            message.message(fields["inputs"], entry(key, _argument(names)))
        if operation.op == "classify":
            assert isinstance(operation.contents, tuple)
            message.message(fields["inputs"], entry("classes", _literal(_texts(operation.contents))))
        for tensor in operation.outputs:
            message.message(fields["outputs"], _named(tensor))
        for block in operation.blocks:
            message.message(fields["blocks"], self._block(block))
        message.message(fields["attributes"], entry("name", _text(operation.name)))
        if operation.op == "const":
            assert operation.contents is not None
            message.message(fields["attributes"], entry("val", self._value(operation.contents)))
        return message

    def _value(self, contents: Contents) -> Message:
        if isinstance(contents, str):
            return _text(contents)
        assert isinstance(contents, Constant)
        if contents.size >= _LEAST and contents.dtype in self._stored:
            fields = FIELDS["BlobFileValue"]
            blob = Message().text(fields["fileName"], WEIGHTS)
            blob.integer(fields["offset"], self._weights.add(contents))
            message = Message().message(FIELDS["Value"]["type"], _type(contents.dtype, contents.shape))
            return message.message(FIELDS["Value"]["blobFileValue"], blob)
        return _immediate(_type(contents.dtype, contents.shape), "tensor", _elements(contents))


def entry(key: str, value: Message) -> Message:
    """An entry of a map."""
    return Message().text(FIELDS["Entry"]["key"], key).message(FIELDS["Entry"]["value"], value)


def _argument(names: Sequence[str]) -> Message:
    message = Message()
    for name in names:
        message.message(FIELDS["Argument"]["arguments"], Message().text(FIELDS["Binding"]["name"], name))
    return message


def _literal(value: Message) -> Message:
    binding = Message().message(FIELDS["Binding"]["value"], value)
    return Message().message(FIELDS["Argument"]["arguments"], binding)


def _named(tensor: Tensor) -> Message:
    fields = FIELDS["NamedValueType"]
    return (
        Message().text(fields["name"], tensor.name).message(fields["type"], _type(tensor.dtype, tensor.shape))
    )


def _type(dtype: str, shape: Shape) -> Message:
    """A tensor's ValueType; "probabilities" is the dictionary that a ``classify`` makes, of float64."""
    fields = FIELDS["TensorType"]
    if dtype == "probabilities":
        return _dictionary_type()
    tensor = Message().integer(fields["dataType"], DATA_TYPES[dtype])
    if shape:
        tensor.integer(fields["rank"], len(shape))
    for dim in shape:
        tensor.message(fields["dimensions"], _dimension(dim if isinstance(dim, int) else None))
    return Message().message(FIELDS["ValueType"]["tensorType"], tensor)


def _dimension(size: int | None) -> Message:
    fields = FIELDS["Dimension"]
    if size is None:
        return Message().message(fields["unknown"], Message())
    constant = Message().integer(FIELDS["ConstantDimension"]["size"], size) if size else Message()
    return Message().message(fields["constant"], constant)


def _dictionary_type() -> Message:
    fields = FIELDS["DictionaryType"]
    made = Message().message(fields["keyType"], _type("string", ()))
    made.message(fields["valueType"], _type("float64", ()))
    return Message().message(FIELDS["ValueType"]["dictionaryType"], made)


def _immediate(kind: Message, field: str, value: Message) -> Message:
    inner = Message().message(FIELDS["ImmediateValue"][field], value)
    message = Message().message(FIELDS["Value"]["type"], kind)
    return message.message(FIELDS["Value"]["immediateValue"], inner)


def _text(text: str) -> Message:
    strings = Message().text(FIELDS["Repeated"]["values"], text)
    tensor = Message().message(FIELDS["TensorValue"]["strings"], strings)
    return _immediate(_type("string", ()), "tensor", tensor)


def _texts(texts: Sequence[str]) -> Message:
    """A list of texts."""
    fields = FIELDS["ListType"]
    listed = Message().message(fields["type"], _type("string", ()))
    listed.message(fields["length"], _dimension(len(texts)))
    values = Message()
    for text in texts:
        values.message(FIELDS["ListValue"]["values"], _text(text))
    return _immediate(Message().message(FIELDS["ValueType"]["listType"], listed), "list", values)


def _elements(constant: Constant) -> Message:
    """A TensorValue: of each dtype in the field that Core ML reads it from (``_tensor_field_by_type`` in coremltools'
    converters/mil/backend/mil/helper.py, 9.0)."""
    fields, values = FIELDS["TensorValue"], FIELDS["Repeated"]["values"]
    match constant.dtype:
        case "float32":
            return Message().message(fields["floats"], Message().text(values, little_endian(constant)))
        case "float16" | "int8" | "uint8":
            return Message().message(fields["bytes"], Message().text(values, little_endian(constant)))
        case "int32":
            numbers = [int(number) for number in np.ravel(constant.numpy())]
            return Message().message(fields["ints"], Message().integers(values, numbers))
        case "bool":
            flags = [int(flag) for flag in np.ravel(constant.numpy())]
            return Message().message(fields["bools"], Message().integers(values, flags))
    raise TypeError(f"A constant of an ML program can't be {constant.dtype}.")
