"""Axis views: the transposes, expand_dims and squeezes of a tensor, and all that are made of them.

A view says how a *seen* tensor is made of a *base* tensor without moving anything but whole axes. Views compose and
invert, so that passes can carry them along a graph and have them meet their inverses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kexport.ir import Array, Constant, Node, Shape


@dataclass(frozen=True)
class View:
    """``axes[i]`` is the base's axis that the seen tensor's axis i is, or None for a new dimension of 1.

    ``rank`` is the base's. A base axis that is not in ``axes`` has size 1.

    ``View(3, (0, None, 2, 1))`` sees a base (n, l, c) as (n, 1, c, l).
    """

    rank: int
    axes: tuple[int | None, ...]

    @classmethod
    def identity(cls, rank: int) -> View:
        """The view that sees a tensor as it is."""
        return cls(rank, tuple(range(rank)))

    @property
    def is_identity(self) -> bool:
        """Whether the seen tensor is the base."""
        return self.axes == tuple(range(self.rank))

    def then(self, other: View) -> View:
        """The view through ``other`` of what this one sees."""
        return View(self.rank, tuple(None if axis is None else self.axes[axis] for axis in other.axes))

    def inverse(self) -> View:
        """The view that sees the base in the seen tensor."""
        where = {base: seen for seen, base in enumerate(self.axes) if base is not None}
        return View(len(self.axes), tuple(where.get(axis) for axis in range(self.rank)))

    def lifted(self, rank: int) -> View:
        """The view with dimensions of 1 before what it sees, up to ``rank`` (as broadcasting puts them)."""
        return View(self.rank, (None,) * (rank - len(self.axes)) + self.axes)

    def shape(self, base: Shape) -> Shape:
        """The seen shape of a base of that shape."""
        return tuple(1 if axis is None else base[axis] for axis in self.axes)

    def keeps_order(self, base: Shape) -> bool:
        """Whether no element moves: the axes that are not 1 stay in their order."""
        kept = [axis for axis in self.axes if axis is not None and base[axis] != 1]
        return kept == sorted(kept)

    def is_noop(self, base: Shape) -> bool:
        """Whether a base of that shape is seen as it is, if only because axes of 1 change places."""
        return self.keeps_order(base) and self.shape(base) == base

    def of_array(self, x: Array) -> Array:
        """``x`` seen through the view."""
        named = [axis for axis in self.axes if axis is not None]
        dropped = tuple(axis for axis in range(self.rank) if axis not in named)
        kept = [axis for axis in range(self.rank) if axis in named]
        turned = np.transpose(np.squeeze(x, dropped), [kept.index(axis) for axis in named])
        return np.expand_dims(turned, tuple(i for i, axis in enumerate(self.axes) if axis is None))

    def of_constant(self, constant: Constant) -> Constant:
        """The constant seen through the view; lazy when it is."""
        shape = [1 if axis is None else constant.shape[axis] for axis in self.axes]
        return constant.map(
            lambda x: np.asarray(self.of_array(x), order="C"), shape=shape, same_elements=True
        )

    def steps(self, base: Shape) -> list[tuple[str, dict[str, Any]]]:
        """The ops, as (op, attributes) applied in turn, that make the seen tensor of a base of that shape.

        As few as there can be: at most one of them moves elements.
        """
        if self.is_noop(base):
            return []
        named = [axis for axis in self.axes if axis is not None]
        dropped = tuple(axis for axis in range(self.rank) if axis not in named)
        added = tuple(i for i, axis in enumerate(self.axes) if axis is None)
        if self.keeps_order(base):
            return self._unit_steps(base, dropped, added)
        steps: list[tuple[str, dict[str, Any]]] = []
        kept = sorted(named)
        if dropped:
            steps.append(("squeeze", {"axes": dropped}))
        steps.append(("transpose", {"perm": tuple(kept.index(axis) for axis in named)}))
        if added:
            steps.append(("expand_dims", {"axes": added}))
        return steps

    def _unit_steps(
        self, base: Shape, dropped: Sequence[int], added: Sequence[int]
    ) -> list[tuple[str, dict[str, Any]]]:
        named = [axis for axis in self.axes if axis is not None]
        if named == sorted(named) and not (dropped and added):
            if dropped:
                return [("squeeze", {"axes": tuple(dropped)})]
            return [("expand_dims", {"axes": tuple(added)})]
        seen = self.shape(base)
        if sum(not isinstance(dim, int) for dim in seen) <= 1:
            return [("reshape", {"shape": seen})]
        steps: list[tuple[str, dict[str, Any]]] = []
        units = tuple(axis for axis in range(self.rank) if base[axis] == 1)
        if units:
            steps.append(("squeeze", {"axes": units}))
        if new := tuple(i for i, dim in enumerate(seen) if dim == 1):
            steps.append(("expand_dims", {"axes": new}))
        return steps


def op_view(op: str, attrs: Mapping[str, Any], rank: int) -> View | None:
    """The view that a transpose, expand_dims, squeeze or identity of a tensor of that rank is; None for other ops."""
    if op == "transpose":
        return View(rank, tuple(attrs["perm"]))
    if op == "expand_dims":
        rest, added = iter(range(rank)), set(attrs["axes"])
        return View(rank, tuple(None if i in added else next(rest) for i in range(rank + len(added))))
    if op == "squeeze":
        return View(rank, tuple(axis for axis in range(rank) if axis not in attrs["axes"]))
    return View.identity(rank) if op == "identity" else None


def view_of(node: Node) -> View | None:
    """The view that ``node`` is; None when it is none."""
    if node.op == "reshape":
        return unit_reshape(node.input(0).shape, node.output.shape)
    if node.op in ("transpose", "expand_dims", "squeeze", "identity"):
        return op_view(node.op, node.attrs, node.input(0).rank)
    return None


def unit_reshape(before: Shape, after: Shape) -> View | None:
    """The view that a reshape is which only adds, drops and moves dimensions of 1; None for another."""
    kept = [axis for axis, dim in enumerate(before) if dim != 1]
    if [before[axis] for axis in kept] != [dim for dim in after if dim != 1]:
        return None
    rest = iter(kept)
    return View(len(before), tuple(None if dim == 1 else next(rest) for dim in after))
