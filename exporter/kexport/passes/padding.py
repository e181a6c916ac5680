"""What the paddings of window ops amount to."""

from __future__ import annotations

from collections.abc import Sequence

from kexport.ir import Dim, Node
from kexport.ir.ops.convolution import same_pads, spatial_axes

Pads = tuple[tuple[int, int], ...]

#: Ops with strides, a window and an attribute ``padding``.
PADDED_OPS = ("conv", "depthwise_conv", "max_pool", "avg_pool")


def window_of(node: Node) -> tuple[int, ...]:
    """The window of a convolution or pool, an entry a spatial dimension."""
    if "window" in node.attrs:
        return tuple(node.attrs["window"])
    return tuple(int(str(dim)) for dim in node.input(1).shape[:-2])


def lengths_of(node: Node) -> tuple[Dim, ...]:
    """The spatial dimensions of a window op's input."""
    x = node.input(0)
    return tuple(x.shape[axis] for axis in spatial_axes(x.rank, node.attrs["data_format"]))


def same_padding(node: Node, lengths: Sequence[Dim]) -> Pads | None:
    """TensorFlow's ``same`` for the op on an input of those spatial ``lengths``; None where an unknown length decides.

    With a stride of 1 the length does not matter.
    """
    window = window_of(node)
    dilations = node.attrs.get("dilations", (1,) * len(window))
    pads: list[tuple[int, int]] = []
    for length, size, stride, dilation in zip(lengths, window, node.attrs["strides"], dilations, strict=True):
        if not isinstance(length, int) and stride != 1:
            return None
        pads.append(same_pads(length if isinstance(length, int) else 1, size, stride, dilation))
    return tuple(pads)


def explicit_padding(node: Node) -> Pads | None:
    """The op's padding as (before, after) pairs; None where that depends on an unknown length."""
    if node.attrs["padding"] == "same":
        return same_padding(node, lengths_of(node))
    return tuple((before, after) for before, after in node.attrs["padding"])


def canonical_padding(node: Node, pads: Pads, lengths: Sequence[Dim]) -> Pads | str:
    """``pads`` for the op on an input of those lengths: ``"same"`` where that is what they are, zeros excepted."""
    if any(any(pair) for pair in pads) and same_padding(node, lengths) == pads:
        return "same"
    return pads
