"""A variable of a layer, as files keep it."""

from __future__ import annotations

from dataclasses import dataclass

Dim = int | None
Shape = tuple[Dim, ...] | None


@dataclass(frozen=True)
class Variable:
    """A variable that a layer has.

    Attributes:
        name: Keras's (``kernel``); ``sub/kernel`` for those of a layer inside (attention's projections).
        shape: None for a dimension, or for all of them, that the config does not tell.
        trainable: whether it is one of the layer's trainable variables.
        holder: where Keras 3's file format keeps it below the layer: ``cell``, ``query_dense``; ``""`` for the layer itself.
        merged: whether Keras 3's file format leaves it out, since another variable has taken it up (a LoRA).
    """

    name: str
    shape: Shape = None
    trainable: bool = True
    holder: str = ""
    merged: bool = False
