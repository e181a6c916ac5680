"""The emission rules of a target, by graph op."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from kexport.ir import Node

E = TypeVar("E")


class EmissionRules(Generic[E]):
    """One rule a graph op: it is called with the target's emitter (``E``) and the node."""

    def __init__(self) -> None:
        self._rules: dict[str, Callable[[E, Node], None]] = {}

    def emits(self, *ops: str) -> Callable[[Callable[[E, Node], None]], Callable[[E, Node], None]]:
        """Register the decorated rule for these graph ops.

        Raises:
            ValueError: one of them has a rule.
        """

        def decorate(rule: Callable[[E, Node], None]) -> Callable[[E, Node], None]:
            for name in ops:
                if name in self._rules:
                    raise ValueError(f"Two emission rules are registered for {name!r}.")
                self._rules[name] = rule
            return rule

        return decorate

    def get(self, op: str) -> Callable[[E, Node], None] | None:
        """The rule of an op; None where it has none."""
        return self._rules.get(op)

    def ops(self) -> list[str]:
        """The graph ops that have a rule, sorted."""
        return sorted(self._rules)
