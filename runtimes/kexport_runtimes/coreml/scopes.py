"""Names while a program runs: which value each stands for, and when nobody asks for it any more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kexport_runtimes.coreml.program import Block


@dataclass
class Scope:
    """Values of a block, and of the blocks it lies in."""

    parent: Scope | None
    values: dict[str, Any]

    def get(self, name: str) -> Any:
        """The value; preparation made sure that there is one."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.values:
                return scope.values[name]
            scope = scope.parent
        raise KeyError(name)


def last_uses(block: Block, own: Mapping[str, int]) -> dict[str, int]:
    """After which operation each value of a block can be let go.

    Args:
        block: whose operations make the values.
        own: for each value, which operation makes it.

    Returns:
        For each value that isn't an output of the block, the position of the last operation that takes it, itself or in a
        block within it; of the one that makes it, where none does.
    """
    last = dict(own)
    for index, operation in enumerate(block.operations):
        for values in operation.arguments.values():
            last.update((item, index) for item in values if isinstance(item, str) and item in own)
        for inner in operation.blocks:
            last.update((name, index) for name in _names_in(inner) if name in own)
    return {name: index for name, index in last.items() if name not in block.outputs}


def _names_in(block: Block) -> Iterator[str]:
    """Every name that a block or one within it mentions."""
    yield from block.outputs
    for operation in block.operations:
        for values in operation.arguments.values():
            yield from (item for item in values if isinstance(item, str))
        for inner in operation.blocks:
            yield from _names_in(inner)
