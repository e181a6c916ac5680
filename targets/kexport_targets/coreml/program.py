"""A program as its file holds it: operations on named tensors, in blocks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from kexport.ir import Constant, Shape


@dataclass(frozen=True)
class Tensor:
    """A named tensor. A dimension that is not an integer is unknown until the program runs."""

    name: str
    dtype: str
    shape: Shape

    @property
    def rank(self) -> int:
        """Number of dimensions."""
        return len(self.shape)


#: The value of a ``const``: a tensor, a text, or a list of class labels.
Contents: TypeAlias = Constant | str | tuple[str, ...]


@dataclass
class Operation:
    """An operation. ``inputs`` name tensors, several where an input is a list.

    A ``const`` has ``contents`` and no inputs; the labels of a ``classify`` stand in ``contents``, too.
    """

    op: str
    name: str
    inputs: dict[str, tuple[str, ...]]
    outputs: tuple[Tensor, ...]
    origin: str = ""
    contents: Contents | None = None
    blocks: tuple[Block, ...] = ()


@dataclass
class Block:
    """What a function or a loop runs."""

    operations: list[Operation] = field(default_factory=list)
    inputs: list[Tensor] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
