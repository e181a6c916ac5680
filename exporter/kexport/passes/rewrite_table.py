"""A target's rewrites: what brings the graph's ops to those that its format holds, by op."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from kexport.ir import Graph, GraphError, Node, Value
from kexport.passes.infrastructure import Pass
from kexport.passes.rewriting import Rewriter

#: (node, rewriter) → what replaces the node's outputs, or None where the node is legal as it is. New nodes are made with
#: ``rewriter.builder`` and are legalized in turn.
Legalization: TypeAlias = Callable[[Node, Rewriter], Sequence[Value] | Value | None]

#: Rewrites make ops that need rewrites themselves, a few levels deep; more rounds than this is a rewrite of itself.
_ROUNDS = 12


class RewriteTable:
    """The rewrites of one target; ``name`` is what its pass is called."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._table: dict[str, list[Legalization]] = {}

    def legalizes(self, *ops: str) -> Callable[[Legalization], Legalization]:
        """Register the decorated rewrite for these graph ops. An op may have several: the first that applies is taken.

        Raises:
            ValueError: it is registered for one of them already.
        """

        def decorate(rewrite: Legalization) -> Legalization:
            for op in ops:
                rules = self._table.setdefault(op, [])
                if rewrite in rules:
                    raise ValueError(f"The rewrite {rewrite.__name__} is registered twice for {op!r}.")
                rules.append(rewrite)
            return rewrite

        return decorate

    def ops(self) -> list[str]:
        """The graph ops that have a rewrite, sorted."""
        return sorted(self._table)

    def as_pass(self) -> Pass:
        """Every rewrite, over and over until none applies."""
        return Pass(self._name, self._apply)

    def _rewrite(self, node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
        for rule in self._table.get(node.op, ()):
            made = rule(node, rewriter)
            if made is not None:
                return [made] if isinstance(made, Value) else made
        return None

    def _apply(self, graph: Graph) -> bool:
        changed = False
        for _ in range(_ROUNDS):
            if not Rewriter(graph).run(self._rewrite):
                return changed
            changed = True
        raise GraphError(f"The rewrites {self._name} of {graph.name!r} do not come to an end.")
