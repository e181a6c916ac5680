"""A program as data: functions of blocks of operations, with their types and constants.

What :mod:`.program_reader` makes of the messages, and all that the interpreter sees of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from numpy.typing import NDArray

from kexport_runtimes.coreml.dtypes import DType


@dataclass(frozen=True)
class TensorType:
    """``shape`` has None for a dimension known when the program runs, and is None where not even the rank is known."""

    dtype: DType
    shape: tuple[int | None, ...] | None

    def __str__(self) -> str:
        if self.shape is None:
            return f"{self.dtype.name}(…)"
        return f"{self.dtype.name}({', '.join('?' if size is None else str(size) for size in self.shape)})"


@dataclass(frozen=True)
class ListType:
    """A list of tensors; ``length`` is None where it grows."""

    element: ValueType
    length: int | None


@dataclass(frozen=True)
class TupleType:
    """Values of different types."""

    elements: tuple[ValueType, ...]


@dataclass(frozen=True)
class DictionaryType:
    """What ``classify`` makes: labels and their probabilities."""

    key: ValueType
    value: ValueType


@dataclass(frozen=True)
class StateType:
    """What lasts from one prediction to the next."""

    wrapped: TensorType


ValueType: TypeAlias = TensorType | ListType | TupleType | DictionaryType | StateType


@dataclass(frozen=True)
class Blob:
    """A constant in a weight file: the file's path as the program writes it, and where the blob's record begins."""

    file: str
    offset: int


@dataclass(frozen=True)
class Constant:
    """A constant in the program: an array, text, a list or tuple of constants, or where to find it."""

    type: ValueType
    content: NDArray[Any] | str | tuple[Constant, ...] | Blob


@dataclass(frozen=True)
class Operation:
    """One operation. An argument is one or several values, each a name or a constant."""

    type: str
    arguments: Mapping[str, tuple[str | Constant, ...]]
    outputs: tuple[tuple[str, ValueType], ...]
    blocks: tuple[Block, ...] = ()
    attributes: Mapping[str, Constant] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What messages call it: its type and first output."""
        return f"{self.type} {self.outputs[0][0]!r}" if self.outputs else self.type


@dataclass(frozen=True)
class Block:
    """Operations in order, with the names that come in and go out."""

    inputs: tuple[tuple[str, ValueType], ...]
    outputs: tuple[str, ...]
    operations: tuple[Operation, ...]


@dataclass(frozen=True)
class Function:
    """An entry of a program. ``opset`` is the number in ``CoreML7``: 5 is iOS 15, 6 iOS 16, 7 iOS 17, 8 iOS 18."""

    name: str
    opset: int
    inputs: tuple[tuple[str, ValueType], ...]
    block: Block


@dataclass(frozen=True)
class Program:
    """Functions by name."""

    functions: Mapping[str, Function]
