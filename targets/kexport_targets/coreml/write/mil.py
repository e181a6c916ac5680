"""The message of a program, MIL.proto's.

It is what coremltools' exporter writes (converters/mil/backend/mil/load.py, 9.0): parameters are ``const`` operations like weights,
and of these the large ones stand in weight.bin, some in fewer bits (storage.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from kexport.ir import Constant, Shape
from kexport_targets.coreml.program import Block, Operation, Tensor
from kexport_targets.coreml.schema import DATA_TYPES, FIELDS, STORED
from kexport_targets.coreml.write.storage import Stored, storage
from kexport_targets.coreml.write.weights import WeightFile
from kexport_targets.wire import Message

#: Where Core ML looks for the weights.
WEIGHTS: Final = "@model_path/weights/weight.bin"

#: Constants of fewer elements stand in the program itself (``should_use_weight_file``, in that exporter).
_LEAST: Final = 10


class ProgramWriter:
    """Makes the message of a program, writing weights as they come.

    Attributes:
        expanded: how often each operation that expands a constant stands in it.
    """

    def __init__(self, weights: WeightFile, *, opset: str, version: int) -> None:
        self._weights, self._opset, self._version = weights, opset, version
        self._stored = STORED[18 if version >= 18 else 15]
        self.expanded: Counter[str] = Counter()

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
        if operation.op == "const":
            return self._constant(operation)
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
        return message.message(fields["attributes"], entry("name", _text(operation.name)))

    def _constant(self, operation: Operation) -> Message:
        """A ``const``, or in its place an operation that expands what is stored."""
        contents = operation.contents
        if isinstance(contents, str):
            return _stated("const", operation, {}, {"val": _text(contents)})
        assert isinstance(contents, Constant)
        found = storage(contents, self._version)
        if isinstance(found, Stored):
            return _stated("const", operation, {}, {"val": self._value(found)})
        self.expanded[found.op] += 1
        values = {key: self._value(parameter) for key, parameter in found.parameters.items()}
        # Attributes before iOS18, since then inputs.
        sides = (values, {}) if self._version >= 18 else ({}, values)
        return _stated(found.op, operation, *sides)

    def _value(self, stored: Stored) -> Message:
        kind = _type(stored.dtype, stored.shape)
        if stored.size < _LEAST or stored.dtype not in self._stored:
            return _immediate(kind, "tensor", _elements(stored))
        fields = FIELDS["BlobFileValue"]
        blob = Message().text(fields["fileName"], WEIGHTS)
        blob.integer(fields["offset"], self._weights.add(stored))
        return (
            Message().message(FIELDS["Value"]["type"], kind).message(FIELDS["Value"]["blobFileValue"], blob)
        )


def _stated(
    op: str, operation: Operation, inputs: Mapping[str, Message], attributes: Mapping[str, Message]
) -> Message:
    """An operation on values that stand in it."""
    fields, message = FIELDS["Operation"], Message().text(FIELDS["Operation"]["type"], op)
    for key, value in inputs.items():
        message.message(fields["inputs"], entry(key, _literal(value)))
    message.message(fields["outputs"], _named(operation.outputs[0]))
    for key, value in {"name": _text(operation.name), **attributes}.items():
        message.message(fields["attributes"], entry(key, value))
    return message


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


def _elements(stored: Stored) -> Message:
    """A TensorValue: of each dtype in the field that Core ML reads it from (``_tensor_field_by_type`` in coremltools'
    converters/mil/backend/mil/helper.py, 9.0)."""
    fields, values = FIELDS["TensorValue"], FIELDS["Repeated"]["values"]
    match stored.dtype:
        case "float32":
            return Message().message(fields["floats"], Message().text(values, stored.contents))
        case "float16" | "int8" | "uint8" | "uint32":
            return Message().message(fields["bytes"], Message().text(values, stored.contents))
        case "int32":
            numbers = np.frombuffer(stored.contents, "<i4").tolist()
            return Message().message(fields["ints"], Message().integers(values, numbers))
        case "bool":
            return Message().message(fields["bools"], Message().integers(values, list(stored.contents)))
    raise TypeError(f"A constant of an ML program can't be {stored.dtype}.")
