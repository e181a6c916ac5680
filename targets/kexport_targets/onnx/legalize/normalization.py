"""Which normalizations the operators hold."""

from __future__ import annotations

from kexport.ir import Node


def is_native(node: Node) -> bool:
    """Whether the axes are the last ones, of known lengths."""
    x, axes = node.input(0), tuple(node.attrs["axes"])
    last = tuple(range(x.rank - len(axes), x.rank))
    return axes == last and all(isinstance(x.shape[axis], int) for axis in axes)
