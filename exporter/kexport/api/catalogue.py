"""What can be lowered, and what is refused and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from kexport.lowering import known_layers
from kexport.lowering.registry import refused
from kexport.lowering.tf_ops.calls import known_functions, refused_functions

#: What the loader makes of models and their inputs; no rule lowers them.
STRUCTURE: Final = frozenset(["Functional", "InputLayer", "Model", "Sequential"])

_OPERATION: Final = "ops."


@dataclass(frozen=True)
class Refused:
    """Something that is not exported, on purpose.

    Attributes:
        kind: ``layer``, ``operation`` (of ``keras.ops``) or ``function`` (of TensorFlow).
        name: the class, the operation's (``ops.Cond``), or the function's (``tf.map_fn``; all of a module: ``tf.random.*``).
        hint: the way out; empty where the layer's own error says it.
    """

    kind: str
    name: str
    reason: str
    hint: str


@dataclass(frozen=True)
class Catalogue:
    """What kexport knows, each list sorted.

    Attributes:
        layers: Keras classes.
        operations: of ``keras.ops`` in Functional models, as ``ops.Add``.
        functions: of TensorFlow in Functional models of Keras 2, as ``tf.add``.
    """

    layers: tuple[str, ...]
    operations: tuple[str, ...]
    functions: tuple[str, ...]
    refused: tuple[Refused, ...]


def catalogue() -> Catalogue:
    """What can be lowered, and what is refused and why."""
    refusals = refused()
    known = sorted({*known_layers(), *STRUCTURE} - refusals.keys())
    rows = [
        Refused("operation" if name.startswith(_OPERATION) else "layer", name, refusal.reason, refusal.hint)
        for name, refusal in refusals.items()
    ]
    rows += [
        Refused("function", f"tf.{name}*" if name.endswith(".") else f"tf.{name}", *why)
        for name, why in refused_functions().items()
    ]
    return Catalogue(
        tuple(name for name in known if not name.startswith(_OPERATION)),
        tuple(name for name in known if name.startswith(_OPERATION)),
        tuple(f"tf.{name}" for name in known_functions()),
        tuple(sorted(rows, key=lambda row: (row.kind != "layer", row.kind != "operation", row.name))),
    )
