"""Another order of the features on a tensor's last axis: what a transpose before a Flatten becomes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from kexport.ir import Array, Constant, Shape
from kexport.ir.dims import is_static
from kexport.passes.views.view import View


@dataclass(frozen=True)
class Segment:
    """A run of features: the base's, shaped ``dims`` and transposed by ``perm``, flat again, are the seen ones."""

    dims: tuple[int, ...]
    perm: tuple[int, ...]

    @classmethod
    def plain(cls, size: int) -> Segment:
        """``size`` features in their own order."""
        return cls((size,), (0,))

    @property
    def size(self) -> int:
        """Number of features."""
        return math.prod(self.dims)

    def restore(self, seen: Array, axis: int) -> Array:
        """Entries along ``axis`` that are in the seen order, in the base's order."""
        lead, tail = seen.shape[:axis], seen.shape[axis + 1 :]
        split = seen.reshape(*lead, *(self.dims[i] for i in self.perm), *tail)
        inner = [axis + int(i) for i in np.argsort(self.perm)]
        order = [*range(axis), *inner, *range(axis + len(inner), split.ndim)]
        return split.transpose(order).reshape(seen.shape)


@dataclass(frozen=True)
class FeatureOrder:
    """The last axis of a tensor of that ``rank``, its runs of features each in another order than the base's."""

    rank: int
    segments: tuple[Segment, ...]

    @property
    def is_identity(self) -> bool:
        """Whether the seen tensor is the base."""
        return all(len(segment.dims) == 1 for segment in self.segments)

    @property
    def size(self) -> int:
        """Length of the last axis."""
        return sum(segment.size for segment in self.segments)

    def restored(self, constant: Constant, axis: int) -> Constant:
        """A constant whose entries along ``axis`` are in the seen order, in the base's; lazy when it is."""

        def restore(seen: Array) -> Array:
            cuts = np.cumsum([segment.size for segment in self.segments])[:-1]
            parts = np.split(seen, cuts, axis=axis)
            done = [segment.restore(part, axis) for segment, part in zip(self.segments, parts, strict=True)]
            return done[0] if len(done) == 1 else np.concatenate(done, axis=axis)

        return constant.map(restore, same_elements=True)


def order_before(before: Shape, after: Shape, wanted: View) -> FeatureOrder | None:
    """The order of a last axis such that reshaping it to ``after`` gives, unmoved, what ``wanted`` sees of that.

    None where the reshape does not split the last axis alone, or ``wanted`` moves nothing or other axes too.
    """
    lead = len(before) - 1
    tail = wanted.axes[lead:]
    if lead < 0 or after[:lead] != before[:lead] or not is_static(after[lead:]) or wanted.keeps_order(after):
        return None
    if wanted.axes[:lead] != tuple(range(lead)) or set(tail) != set(range(lead, len(after))):
        return None
    dims = tuple(int(str(after[axis])) for axis in tail if axis is not None)
    perm = tuple(tail.index(lead + i) for i in range(len(tail)))
    return FeatureOrder(len(before), (Segment(dims, perm),))
