"""Recurrent cells: what one step computes.

Formulas: keras/src/layers/rnn/{simple_rnn,lstm,gru,stacked_rnn_cells}.py, Keras 3.15, which are those of Keras 1 and 2 but for
defaults. Gates lie side by side in the kernels, in Keras's order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from kexport.ir import Shape, Value
from kexport.lowering.activations import apply_activation
from kexport.lowering.arguments import integer
from kexport.lowering.registry import Context


class Cell(Protocol):
    """A cell. ``project`` does, for many steps at once, what does not depend on the states."""

    def shapes(self, x: Value) -> list[Shape]:
        """The shapes of the states for a projected sequence ``x`` (batch, time, …)."""
        ...

    def project(self, x: Value) -> Value:
        """(batch, time, …) to what :meth:`step` takes, a step at a time."""
        ...

    def step(self, x: Value, states: list[Value]) -> tuple[Value, list[Value]]:
        """The output (batch, units) and the new states for a projected step (batch, width)."""
        ...


_CELLS: dict[str, Callable[[Context], Cell]] = {}


def _cell(name: str) -> Callable[[Callable[[Context], Cell]], Callable[[Context], Cell]]:
    def decorate(make: Callable[[Context], Cell]) -> Callable[[Context], Cell]:
        _CELLS[name] = make
        return make

    return decorate


def cell_of(ctx: Context, class_name: str) -> Cell:
    """The cell that the layer of ``ctx`` is, or is made of.

    Raises:
        LoweringError: it is none of Keras's.
    """
    if class_name not in _CELLS:
        raise ctx.error(f"Its cell is one of Keras's: {', '.join(sorted(_CELLS))}. Received: {class_name!r}")
    return _CELLS[class_name](ctx)


@dataclass(frozen=True)
class _Weights:
    """What the cells of Keras share: a kernel for the input, one for the state, biases, activations."""

    ctx: Context

    @property
    def units(self) -> int:
        return integer(self.ctx, "units")

    def part(self, name: str, start: int, stop: int, row: int | None = None) -> Value | None:
        """Columns ``[start, stop)`` of a weight (of its row ``row``); None for the bias of a cell without."""
        ctx = self.ctx
        if name == "bias" and not ctx.layer.config.get("use_bias", True):
            return None
        whole = ctx.weight(name)
        if row is None and (start, stop) == (0, whole.shape[-1]):
            return ctx.weight_value(name)
        shape = (*(whole.shape[:-1] if row is None else whole.shape[1:-1]), stop - start)
        return ctx.b.constant(
            whole.map(
                lambda w: np.ascontiguousarray((w if row is None else w[row])[..., start:stop]), shape=shape
            ),
            name=name,
        )

    def dense(
        self, x: Value, name: str, start: int, stop: int, *, bias: bool = False, row: int | None = None
    ) -> Value:
        """``x`` times columns of a kernel, plus those of the bias (of its row ``row``)."""
        added = self.part("bias", start, stop, row) if bias else None
        return self.ctx.b.op("dense", x, self.part(name, start, stop), added)

    def activate(self, x: Value, name: str = "activation") -> Value:
        """The cell's ``activation`` or ``recurrent_activation`` of ``x``."""
        return apply_activation(self.ctx, x, self.ctx.layer.config.get(name))

    def gates(self, x: Value, count: int) -> list[Value]:
        """``x`` (batch, count * units) in parts."""
        return self.ctx.b.ops("split", x, axis=x.rank - 1, sizes=(self.units,) * count)


class _SimpleCell(_Weights):
    """``activation(x W + h U + b)``."""

    def shapes(self, x: Value) -> list[Shape]:
        return [(x.shape[0], self.units)]

    def project(self, x: Value) -> Value:
        return self.dense(x, "kernel", 0, self.units, bias=True)

    def step(self, x: Value, states: list[Value]) -> tuple[Value, list[Value]]:
        recurrent = self.dense(states[0], "recurrent_kernel", 0, self.units)
        h = self.activate(self.ctx.b.op("add", x, recurrent))
        return h, [h]


class _LSTMCell(_Weights):
    """``c = f c + i g``, ``h = o activation(c)`` with the gates i, f, g, o of ``x W + h U + b``."""

    def shapes(self, x: Value) -> list[Shape]:
        return [(x.shape[0], self.units)] * 2

    def project(self, x: Value) -> Value:
        return self.dense(x, "kernel", 0, 4 * self.units, bias=True)

    def step(self, x: Value, states: list[Value]) -> tuple[Value, list[Value]]:
        b, (h, c) = self.ctx.b, states
        z = b.op("add", x, self.dense(h, "recurrent_kernel", 0, 4 * self.units))
        i, f, g, o = self.gates(z, 4)
        kept = b.op("mul", self.activate(f, "recurrent_activation"), c)
        new = b.op("mul", self.activate(i, "recurrent_activation"), self.activate(g))
        c = b.op("add", kept, new)
        h = b.op("mul", self.activate(o, "recurrent_activation"), self.activate(c))
        return h, [h, c]


class _GRUCell(_Weights):
    """``h = z h + (1 - z) g`` with the gates z, r; g reads the state reset by r, before its kernel or after."""

    def shapes(self, x: Value) -> list[Shape]:
        return [(x.shape[0], self.units)]

    @property
    def reset_after(self) -> bool:
        return bool(self.ctx.layer.config.get("reset_after"))

    def project(self, x: Value) -> Value:
        return self.dense(x, "kernel", 0, 3 * self.units, bias=True, row=0 if self.reset_after else None)

    def step(self, x: Value, states: list[Value]) -> tuple[Value, list[Value]]:
        b, u, (h,) = self.ctx.b, self.units, states
        xz, xr, xg = self.gates(x, 3)
        if self.reset_after:
            inner = self.dense(h, "recurrent_kernel", 0, 3 * u, bias=True, row=1)
            hz, hr, hg = self.gates(inner, 3)
        else:
            hz, hr = self.gates(self.dense(h, "recurrent_kernel", 0, 2 * u), 2)
        z = self.activate(b.op("add", xz, hz), "recurrent_activation")
        r = self.activate(b.op("add", xr, hr), "recurrent_activation")
        if self.reset_after:
            reset = b.op("mul", r, hg)
        else:
            reset = self.dense(b.op("mul", r, h), "recurrent_kernel", 2 * u, 3 * u)
        g = self.activate(b.op("add", xg, reset))
        h = b.op("add", g, b.op("mul", z, b.op("sub", h, g)))
        return h, [h]


@dataclass(frozen=True)
class _Stacked:
    """Cells one on the other, each on the output of the one below; their states one after the other."""

    cells: Sequence[Cell]

    def shapes(self, x: Value) -> list[Shape]:
        return [shape for cell in self.cells for shape in cell.shapes(x)]

    def project(self, x: Value) -> Value:
        return self.cells[0].project(x)

    def step(self, x: Value, states: list[Value]) -> tuple[Value, list[Value]]:
        rest, after = list(states), []
        for index, cell in enumerate(self.cells):
            own = [rest.pop(0) for _ in cell.shapes(x)]
            x, new = cell.step(x if index == 0 else cell.project(x), own)
            after += new
        return x, after


_cell("SimpleRNNCell")(_SimpleCell)
_cell("LSTMCell")(_LSTMCell)
_cell("GRUCell")(_GRUCell)


@_cell("StackedRNNCells")
def _stacked(ctx: Context) -> Cell:
    if ctx.layer.config.get("reverse_state_order"):
        raise ctx.error("Its states are in the order of its cells. Received: reverse_state_order=True")
    children = [ctx.layer.children[f"cell_{index}"] for index in range(len(ctx.layer.children))]
    return _Stacked([cell_of(replace(ctx, layer=child), child.class_name) for child in children])
