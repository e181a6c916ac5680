"""The rewrites that bring the graph's ops to what TF Lite's builtins hold, by op."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from kexport.ir import Graph, GraphError, Node, Value
from kexport.passes import Pass, Rewriter

#: (node, rewriter) → what replaces the node's outputs, or None where the node is legal as it is. New nodes are made with
#: ``rewriter.builder`` and are legalized in turn.
Legalization: TypeAlias = Callable[[Node, Rewriter], Sequence[Value] | Value | None]

_TABLE: dict[str, list[Legalization]] = {}

#: Rewrites make ops that need rewrites themselves, a few levels deep; more rounds than this is a rewrite of itself.
_ROUNDS = 12


def legalizes(*ops: str) -> Callable[[Legalization], Legalization]:
    """Register the decorated rewrite for these graph ops. An op may have several: the first that applies is taken.

    Raises:
        ValueError: it is registered for one of them already.
    """

    def decorate(rewrite: Legalization) -> Legalization:
        for op in ops:
            rules = _TABLE.setdefault(op, [])
            if rewrite in rules:
                raise ValueError(f"The rewrite {rewrite.__name__} is registered twice for {op!r}.")
            rules.append(rewrite)
        return rewrite

    return decorate


def _rewrite(node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
    for rule in _TABLE.get(node.op, ()):
        made = rule(node, rewriter)
        if made is not None:
            return [made] if isinstance(made, Value) else made
    return None


def _apply(graph: Graph) -> bool:
    changed = False
    for _ in range(_ROUNDS):
        if not Rewriter(graph).run(_rewrite):
            return changed
        changed = True
    raise GraphError(f"TF Lite's rewrites of {graph.name!r} do not come to an end.")


#: Every rewrite, over and over until none applies.
tflite_rewrites = Pass("tflite_rewrites", _apply)
