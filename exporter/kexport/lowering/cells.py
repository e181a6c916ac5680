"""Recurrent cells: what runs over the steps of a sequence.

Keras's own are ops of whole layers (``kexport/ir/ops/recurrent.py`` has their formulas). Those of the user's, and convolutional ones, are
lowered a step at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol, TypeAlias

from kexport.ir import Graph, Shape, TensorType, Value
from kexport.ir.ops.recurrent import LAYOUTS
from kexport.lowering.activations import activation_name, apply_activation
from kexport.lowering.arguments import integer
from kexport.lowering.custom_cells import TracedCell
from kexport.lowering.registry import Context


class StepCell(Protocol):
    """A cell that is lowered a step at a time. ``project`` does, for many steps at once, what does not depend on the states."""

    def shapes(self, x: Value) -> list[Shape]:
        """The shapes of the states for a projected sequence ``x`` (batch, time, …)."""
        ...

    def project(self, x: Value) -> Value:
        """(batch, time, …) to what :meth:`step` takes, a step at a time."""
        ...

    def step(self, x: Value, states: list[Value]) -> tuple[Value, list[Value]]:
        """The output (batch, units) and the new states for a projected step (batch, width)."""
        ...


@dataclass(frozen=True)
class OpCell:
    """A cell of Keras's own: the op ``op`` over a whole sequence."""

    ctx: Context
    op: str

    def shapes(self, x: Value) -> list[Shape]:
        """The shapes of the states for a sequence ``x`` (batch, time, …)."""
        return [(x.shape[0], integer(self.ctx, "units"))] * LAYOUTS[self.op].states

    def weights(self) -> list[Value | None]:
        """Kernel, recurrent kernel and bias, which may be absent."""
        ctx = self.ctx
        bias = ctx.weight_value("bias") if ctx.layer.config.get("use_bias", True) else None
        return [ctx.weight_value("kernel"), ctx.weight_value("recurrent_kernel"), bias]

    def attrs(self, x: Value) -> dict[str, Any]:
        """The op's attributes but for those of the layer around the cell."""
        config, state = self.ctx.layer.config, TensorType(x.dtype, self.shapes(x)[0])
        found: dict[str, Any] = {"activation": _activation(self.ctx, config.get("activation"), state)}
        if self.op != "simple_rnn":
            gate = config.get("recurrent_activation")
            found["recurrent_activation"] = _activation(self.ctx, gate, state)
        if self.op == "gru":
            found["reset_after"] = bool(config.get("reset_after"))
        return found


def _activation(ctx: Context, saved: Any, state: TensorType) -> Graph:
    """An activation as a graph of its own, by the name that Keras has for it."""
    b = ctx.b
    x = b.input(f"{b.origin}/gate", state)
    outside, b.nodes = b.nodes, []
    try:
        result = apply_activation(ctx, x, saved)
    finally:
        inside, b.nodes = b.nodes, outside
    return Graph(_name(ctx, saved), [x], [result], inside, ["x"], ["y"])


def _name(ctx: Context, saved: Any) -> str:
    """Keras's name of an activation; the hard_sigmoid of Keras 1 and 2 is another function than that of Keras 3."""
    name = activation_name(saved)
    return f"{name}_of_keras_2" if name == "hard_sigmoid" and ctx.provenance.keras_major < 3 else name


@dataclass(frozen=True)
class Stacked:
    """Cells one on the other, each on the output of the one below; their states one after the other.

    What a cell gives the next at a step depends on nothing but the steps up to it, so that each may run over the whole sequence before
    the next one does.
    """

    cells: Sequence[OpCell | StepCell]

    def shapes(self, x: Value) -> list[Shape]:
        """The shapes of the states for a sequence ``x`` (batch, time, …)."""
        return [shape for cell in self.cells for shape in cell.shapes(x)]


Cell: TypeAlias = OpCell | Stacked | StepCell

_OPS: Final = {"SimpleRNNCell": "simple_rnn", "LSTMCell": "lstm", "GRUCell": "gru"}


def cell_of(ctx: Context, class_name: str) -> Cell:
    """The cell that the layer of ``ctx`` is, or is made of.

    Raises:
        LoweringError: it is none of Keras's, and no code may be run.
    """
    if class_name in _OPS:
        return OpCell(ctx, _OPS[class_name])
    if class_name == "StackedRNNCells":
        children = [ctx.layer.children[f"cell_{index}"] for index in range(len(ctx.layer.children))]
        if not children:
            raise ctx.error("StackedRNNCells holds one cell or more. Received: none")
        cells = [cell_of(replace(ctx, layer=child), child.class_name) for child in children]
        return Stacked(
            [part for cell in cells for part in (cell.cells if isinstance(cell, Stacked) else [cell])]
        )
    if ctx.tracer is not None:
        return TracedCell(ctx, ctx.tracer)
    known = ", ".join(sorted([*_OPS, "StackedRNNCells"]))
    raise ctx.error(f"Its cell is one of Keras's: {known}. Received: {class_name!r}")
