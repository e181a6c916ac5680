"""Lengths that dimensions are given: one, or those that they may have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from kexport.errors import UsageError
from kexport.ir import Graph

#: One length, from one to another (``range(1, 513)``), or some of them.
Lengths: TypeAlias = int | range | tuple[int, ...]


def fixed(dimensions: Mapping[str, Lengths] | None) -> dict[str, int]:
    """The dimensions that are given one length."""
    return {name: lengths for name, lengths in (dimensions or {}).items() if isinstance(lengths, int)}


def check_lengths(graph: Graph) -> None:
    """Raise UsageError unless all of ``graph.lengths`` are positive, and of its dimensions."""
    known = graph.symbols()
    for name, allowed in graph.lengths.items():
        fits = isinstance(allowed, range | tuple) and len(allowed) > 0 and min(allowed) > 0
        if name not in known or not fits:
            raise UsageError(
                f"Lengths are positive, of dimensions that are open ({', '.join(known) or 'none'}). Received: {name}={allowed!r}"
            )


def lengths_text(lengths: Lengths) -> int | str:
    """For the manifest: 128, ``1..512`` or ``128,256``."""
    if isinstance(lengths, int):
        return lengths
    if isinstance(lengths, range):
        return f"{lengths.start}..{lengths.stop - 1}"
    return ",".join(map(str, lengths))
