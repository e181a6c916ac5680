"""What a pass is, and how passes are run.

A pass changes a graph in place and says whether it did. It names the properties that it requires of the graph and
those that it ensures; both are checked, and so is the graph's structure after every pass that changed something.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from kexport.ir import Graph, GraphError


@dataclass(frozen=True)
class Property:
    """Something that holds for a graph or not; ``holds`` looks at each node a bounded number of times."""

    name: str
    holds: Callable[[Graph], bool]


@dataclass(frozen=True)
class Pass:
    """A named change to a graph. Calling it applies it and says whether the graph changed.

    ``requires`` must hold before and ``ensures`` holds afterwards; :func:`run_passes` checks both.
    """

    name: str
    apply: Callable[[Graph], bool]
    requires: tuple[Property, ...] = ()
    ensures: tuple[Property, ...] = ()
    steps: tuple[Pass, ...] = field(default=(), repr=False)

    def __call__(self, graph: Graph) -> bool:
        return self.apply(graph)


def as_pass(
    name: str, *, requires: Sequence[Property] = (), ensures: Sequence[Property] = ()
) -> Callable[[Callable[[Graph], bool]], Pass]:
    """Make a pass of the decorated function."""

    def decorate(apply: Callable[[Graph], bool]) -> Pass:
        return Pass(name, apply, tuple(requires), tuple(ensures))

    return decorate


def run_pass(graph: Graph, one: Pass) -> bool:
    """Apply a pass, with its checks; whether the graph changed.

    Raises:
        GraphError: naming the pass that needs what does not hold, or that left the graph ill formed.
    """
    _check_properties(graph, one, one.requires, "requires")
    changed = one(graph)
    if changed and not one.steps:  # a combination has checked after each of its steps
        try:
            graph.check()
        except GraphError as error:
            raise GraphError(f"After the pass {one.name}: {error}") from error
    _check_properties(graph, one, one.ensures, "ensures")
    return changed


def run_passes(graph: Graph, passes: Sequence[Pass]) -> None:
    """Apply the passes in order.

    Raises:
        GraphError: naming the pass that needs what does not hold, or that left the graph ill formed.
    """
    for one in passes:
        run_pass(graph, one)


def fixpoint(*steps: Pass, bound: int = 8) -> Pass:
    """The steps in turn, over and over, until none of them changes anything.

    ``bound`` rounds end it at the latest: a round more could only make the graph better, never right.
    """

    def apply(graph: Graph) -> bool:
        changed = False
        quiet = 0  # steps in a row that changed nothing
        for turn in range(bound * len(steps)):
            if run_pass(graph, steps[turn % len(steps)]):
                changed, quiet = True, 0
            else:
                quiet += 1
            if quiet == len(steps):
                break
        return changed

    return Pass(f"fixpoint({', '.join(step.name for step in steps)})", apply, steps=tuple(steps))


def _check_properties(graph: Graph, one: Pass, properties: Sequence[Property], verb: str) -> None:
    for wanted in properties:
        if not wanted.holds(graph):
            raise GraphError(
                f"The pass {one.name} {verb} {wanted.name}, which does not hold for {graph.name!r}."
            )
