"""Messages of MIL.proto to a :class:`~kexport_runtimes.coreml.program.Program`.

Field numbers: mlmodel/format/MIL.proto of coremltools 9.0.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kexport_runtimes.coreml import dtypes
from kexport_runtimes.coreml.errors import PackageError
from kexport_runtimes.coreml.program import (
    Blob,
    Block,
    Constant,
    DictionaryType,
    Function,
    ListType,
    Operation,
    Program,
    StateType,
    TensorType,
    TupleType,
    ValueType,
)
from kexport_runtimes.coreml.wire import Message

#: Elements that one tensor may have: 4 GB of float32. Larger ones are refused before anything is allocated.
MAX_ELEMENTS = 1 << 30

_MAX_RANK = 16


def read_program(message: Message) -> Program:
    """A ``Program`` message.

    Raises:
        PackageError: a field breaks the format.
    """
    functions = {name: _function(name, body) for name, body in message.entries(2)}
    if not functions:
        raise PackageError("A program has at least one function. Received: none")
    return Program(functions)


def _function(name: str, message: Message) -> Function:
    opset = message.text(2)
    found = re.fullmatch(r"CoreML([0-9]{1,3})", opset)
    if found is None:
        raise PackageError(f"Function {name!r} has an opset like 'CoreML7'. Received: {opset!r}")
    blocks = dict(message.entries(3))
    if opset not in blocks:
        raise PackageError(
            f"Function {name!r} has a block for its opset {opset}. Received blocks for: {', '.join(blocks) or 'none'}"
        )
    return Function(name, int(found[1]), _named_types(message.messages(1)), _block(blocks[opset]))


def _block(message: Message) -> Block:
    operations = tuple(_operation(operation) for operation in message.messages(3))
    return Block(_named_types(message.messages(1)), tuple(message.texts(2)), operations)


def _operation(message: Message) -> Operation:
    arguments = {name: tuple(_bindings(argument)) for name, argument in message.entries(2)}
    return Operation(
        type=message.text(1),
        arguments=arguments,
        outputs=_named_types(message.messages(3)),
        blocks=tuple(_block(block) for block in message.messages(4)),
        attributes={name: _constant(value) for name, value in message.entries(5)},
    )


def _bindings(argument: Message) -> Iterable[str | Constant]:
    for binding in argument.messages(1):
        yield _constant(binding.message(2)) if binding.has(2) else binding.text(1)


def _named_types(messages: Iterable[Message]) -> tuple[tuple[str, ValueType], ...]:
    return tuple((message.text(1), _type(message.message(2))) for message in messages)


def _type(message: Message) -> ValueType:
    match message.first_of((1, 2, 3, 4, 5)):
        case 1:
            return _tensor_type(message.message(1))
        case 2:
            body = message.message(2)
            return ListType(_type(body.message(1)), _dimension(body.message(2)))
        case 3:
            return TupleType(tuple(_type(item) for item in message.message(3).messages(1)))
        case 4:
            body = message.message(4)
            return DictionaryType(_type(body.message(1)), _type(body.message(2)))
        case 5:
            wrapped = _type(message.message(5).message(1))
            if not isinstance(wrapped, TensorType):
                raise PackageError("A state holds a tensor. Received: another type")
            return StateType(wrapped)
    raise PackageError("A type is a tensor, list, tuple, dictionary or state. Received: none of them")


def _tensor_type(message: Message) -> TensorType:
    dtype, rank = dtypes.by_code(message.uint(1)), message.sint(2)
    if rank < 0:
        return TensorType(dtype, None)
    dimensions = list(message.messages(3))
    if any(dimension.message(2).uint(1) for dimension in dimensions):
        # Variadic: it stands for any number of dimensions.
        return TensorType(dtype, None)
    shape = tuple(_dimension(dimension) for dimension in dimensions)
    if rank != len(shape) or rank > _MAX_RANK:
        raise PackageError(
            f"A tensor type has as many dimensions as its rank, at most {_MAX_RANK}. Received: rank {rank}, {len(shape)} dimensions"
        )
    if math.prod(size for size in shape if size is not None) > MAX_ELEMENTS:
        raise PackageError(f"A tensor has at most {MAX_ELEMENTS} elements. Received: shape {shape}")
    return TensorType(dtype, shape)


def _dimension(message: Message) -> int | None:
    return message.message(1).uint(1) if message.has(1) else None


def _constant(message: Message) -> Constant:
    of = _type(message.message(2))
    match message.first_of((3, 5)):
        case 3:
            return Constant(of, _immediate(of, message.message(3)))
        case 5:
            blob = message.message(5)
            return Constant(of, Blob(blob.text(1), blob.uint(2)))
    raise PackageError("A constant has a value, in the program or in a weight file. Received: none")


def _immediate(of: ValueType, message: Message) -> NDArray[Any] | str | tuple[Constant, ...]:
    match message.first_of((1, 2, 3)):
        case 1 if isinstance(of, TensorType):
            return _tensor(of, message.message(1))
        case 2 if isinstance(of, TupleType):
            return tuple(_constant(item) for item in message.message(2).messages(1))
        case 3 if isinstance(of, ListType):
            return tuple(_constant(item) for item in message.message(3).messages(1))
    raise PackageError("A constant's value is a tensor, tuple or list, as its type says. Received: another")


def _tensor(of: TensorType, message: Message) -> NDArray[Any] | str:
    if of.shape is None or None in of.shape:
        raise PackageError(f"A constant has a known shape. Received: {of}")
    shape = tuple(size for size in of.shape if size is not None)
    count = math.prod(shape)
    values = _values(of.dtype, message, count)
    if len(values) != count:
        raise PackageError(f"A constant of type {of} has {count} values. Received: {len(values)}")
    if of.dtype.name == dtypes.STRING and not shape:
        return str(values[0])
    return values.reshape(shape)


def _values(dtype: dtypes.DType, message: Message, count: int) -> NDArray[Any]:
    """The values of a ``TensorValue``, in whichever of its fields they are."""
    found: NDArray[Any]
    match message.first_of((1, 2, 3, 4, 5, 6, 7)):
        case 1:
            found = message.message(1).floats(1)
        case 2 | 3 | 5 as number:
            found = np.array(message.message(number).ints(1), np.int64)
        case 4:
            return np.array(message.message(4).texts(1), object)
        case 6:
            found = message.message(6).doubles(1)
        case 7:
            return dtypes.decode(dtype, message.message(7).raw(1), count)
        case _:
            found = np.zeros(0, np.float32)
    if dtype.name == dtypes.STRING:
        raise PackageError("A string constant holds text. Received: numbers")
    if found.dtype.kind == "f" and not dtype.is_float and len(found):
        raise PackageError(f"A constant of {dtype.name} holds integers. Received: {found.dtype}")
    return found.astype(dtype.numpy)
