"""Gives window ops the data format that a target computes in."""

from __future__ import annotations

from kexport.ir import Graph, Node, Value
from kexport.ir.ops import get
from kexport.passes.infrastructure import Pass, Property
from kexport.passes.views import Mover, View, has_form, move_views

FORMATS = ("channels_last", "channels_first")


class DataFormat:
    """The window form with that data format."""

    def __init__(self, data_format: str) -> None:
        self.data_format = data_format

    def view(self, node: Node) -> View | None:
        """The input's axes in the wanted order; None for ops without a data format."""
        if "data_format" not in get(node.op).attrs:
            return None
        rank = node.input(0).rank
        if node.attrs["data_format"] == self.data_format:
            return View.identity(rank)
        if self.data_format == "channels_last":
            return View(rank, (0, *range(2, rank), 1))
        return View(rank, (0, rank - 1, *range(1, rank - 1)))

    def build(self, mover: Mover, node: Node, x: Value) -> Value:
        """The op in the wanted format; kernels are the same in both."""
        rest = (None if value is None else mover.seen(value) for value in node.inputs[1:])
        return mover.emit(node.op, x, *rest, **{**node.attrs, "data_format": self.data_format})


def window_ops_are(data_format: str) -> Property:
    """Every op with a data format has that one."""
    form = DataFormat(data_format)
    return Property(f"{data_format} window ops", lambda graph: has_form(graph, form))


def layout(data_format: str) -> Pass:
    """Bring window ops into ``data_format`` and carry the transposes along until they cancel.

    Given (wanted: channels_last)::

        a = conv(x, kernel; data_format="channels_first")
        b = mul(a, scale)                                   # scale: (channels, 1, 1)
        c = reshape(relu(b), (batch, features))
        d = dense(c, weights)

    Result::

        t = transpose(x, (0, 2, 3, 1))
        a = conv(t, kernel; data_format="channels_last")
        b = mul(a, scale')                                  # (channels,)
        c = reshape(relu(b), (batch, features))
        d = dense(c, weights')                              # rows in the new order

    In a graph whose window ops have the format already, transposes are carried along too, unless that made more
    of them.

    Raises:
        ValueError: there is no such format.
    """
    if data_format not in FORMATS:
        raise ValueError(f"A data format is one of {FORMATS}. Received: {data_format!r}")
    form = DataFormat(data_format)

    def apply(graph: Graph) -> bool:
        return move_views(graph, form)

    return Pass(f"layout({data_format})", apply, ensures=(window_ops_are(data_format),))
