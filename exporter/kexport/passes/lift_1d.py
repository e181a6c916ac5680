"""Gives window ops over one dimension a second one, of 1, for targets that compute in two."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from kexport.ir import Graph, Node, Value
from kexport.ir.ops.convolution import spatial_axes
from kexport.passes.infrastructure import Pass, Property
from kexport.passes.views import Mover, View, has_form, move_views

WINDOW_OPS = ("conv", "depthwise_conv", "conv_transpose", "max_pool", "avg_pool")

#: What stands for the new dimension in each attribute: one window, at every position, over nothing but itself.
_IDLE: dict[str, Any] = {"strides": 1, "dilations": 1, "window": 1, "padding": (0, 0), "crops": (0, 0)}


class TwoDimensions:
    """The window form in which ``ops`` have two spatial dimensions at least, a new one being the first."""

    def __init__(self, ops: Collection[str] = WINDOW_OPS) -> None:
        self.ops = frozenset(ops)

    def view(self, node: Node) -> View | None:
        """The input with a dimension of 1 before its spatial one; None for other ops."""
        if node.op not in self.ops:
            return None
        if node.input(0).rank != 3:
            return View.identity(node.input(0).rank)
        (axis,) = spatial_axes(3, node.attrs["data_format"])
        return View(3, (*range(axis), None, *range(axis, 3)))

    def build(self, mover: Mover, node: Node, x: Value) -> Value:
        """The op on two dimensions, its kernel (1, window, …)."""
        attrs = dict(node.attrs)
        for name, idle in _IDLE.items():
            if name in attrs and attrs[name] != "same":
                attrs[name] = (idle, *attrs[name])
        rest = [None if value is None else mover.seen(value) for value in node.inputs[1:]]
        if rest:
            assert rest[0] is not None
            rest[0] = self._lifted_kernel(mover, rest[0])
        return mover.emit(node.op, x, *rest, **attrs)

    def _lifted_kernel(self, mover: Mover, kernel: Value) -> Value:
        if kernel.constant is None:
            return mover.emit("expand_dims", kernel, axes=(0,))
        view = View.identity(kernel.rank).lifted(kernel.rank + 1)
        return mover.restated(kernel, view, view.of_constant)


def lift_1d(ops: Collection[str] = WINDOW_OPS) -> Pass:
    """Bring window ops over one dimension to two, and carry the new dimension along until it cancels.

    Given::

        a = conv(x, k1)
        b = relu(a)  # x: (batch, length, channels)
        c = conv(b, k2)
        d = add(b, c)
        return d

    Result::

        e = expand_dims(x, axes=(1,))                       # (batch, 1, length, channels)
        a = conv(e, k1'); b = relu(a)
        c = conv(b, k2'); d = add(b, c)
        return squeeze(d, axes=(1,))
    """
    form = TwoDimensions(ops)
    lifted = Property("window ops over two dimensions", lambda graph: has_form(graph, form))

    def apply(graph: Graph) -> bool:
        return move_views(graph, form)

    return Pass("lift_1d", apply, ensures=(lifted,))
