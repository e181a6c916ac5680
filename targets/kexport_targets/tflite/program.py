"""A TFLite model in memory: tensors, buffers and operators, before they are bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from kexport.ir import Constant


@dataclass(frozen=True)
class Tensor:
    """A row of the tensor table. ``signature`` is the shape with -1 for unknown dimensions, None where all are known.

    ``buffer`` is an index into :attr:`Program.buffers`; 0 is the empty one. A ``variable`` keeps its contents from one run to
    the next, as some kernels want their states to. ``scale`` is what integers count, where they stand for floats (zero is 0).
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    signature: tuple[int, ...] | None = None
    buffer: int = 0
    variable: bool = False
    scale: float | None = None


@dataclass(frozen=True)
class Operator:
    """A builtin op at the lowest version that has what it uses; -1 among ``inputs`` is an absent one."""

    builtin: str
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: str | None = None
    values: dict[str, Any] = field(default_factory=dict)


@dataclass
class Subgraph:
    """Tensors and operators, in order; a loop's condition and body are subgraphs of their own."""

    name: str
    tensors: list[Tensor] = field(default_factory=list)
    operators: list[Operator] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class ProgramSignature:
    """A subgraph that can be called by name, and what its inputs and outputs are called there, in their order."""

    key: str
    subgraph: int
    input_names: Sequence[str]
    output_names: Sequence[str]


@dataclass
class Program:
    """Subgraphs, the first of which is the model, and the signatures of those that can be called. All share ``buffers``;
    ``buffers[0]`` is empty, as the format asks."""

    name: str
    subgraphs: list[Subgraph] = field(default_factory=list)
    buffers: list[Constant | None] = field(default_factory=lambda: [None])
    signatures: list[ProgramSignature] = field(default_factory=list)

    @property
    def main(self) -> Subgraph:
        """The model."""
        return self.subgraphs[0]
