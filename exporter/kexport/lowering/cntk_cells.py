"""What recurrent layers compute on CNTK where that is something else.

A loop there (all but unrolled layers) puts out a state in place of what the cell does: the first, and from Keras 2.2.3 on the last one
(``new_output = n_s[-1]`` in ``rnn`` of keras/backend/cntk_backend.py). For an LSTM that is its cell state c. A model that was trained
there was trained on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kexport.ir import Shape, Value
from kexport.ir.loops import Ran, last_step
from kexport.lowering.activations import apply_activation
from kexport.lowering.arguments import integer
from kexport.lowering.cells import Cell, OpCell, Stacked, StepCell
from kexport.lowering.registry import Context

_LAST_STATE_SINCE = (2, 2, 3)
_PAST_SINCE = (2, 0, 7)


def is_loop(ctx: Context) -> bool:
    """Whether the recurrent layer is a loop on CNTK."""
    return ctx.provenance.backend == "cntk" and not ctx.layer.config.get("unroll")


def _puts_out_first_state(ctx: Context) -> bool:
    """Whether a loop puts out the first of its states; Keras of an unknown version puts out the last."""
    return (1,) <= ctx.provenance.version < _LAST_STATE_SINCE


def as_loop(ctx: Context, cell: Cell) -> Cell:
    """The cell as such a loop runs it."""
    if _puts_out_first_state(ctx):
        return cell
    if isinstance(cell, Stacked):
        return replace(cell, cells=[*cell.cells[:-1], _with_last_state(cell.cells[-1])])
    return _with_last_state(cell)


def _with_last_state(cell: OpCell | StepCell) -> OpCell | StepCell:
    """The cell, putting out its last state."""
    if isinstance(cell, OpCell):
        return LastStateLSTM(cell.ctx) if cell.op == "lstm" else cell
    return LastStateOutput(cell)


def from_states(ctx: Context, ran: Ran, states: Sequence[Value], mask: Value | None) -> Ran:
    """What such a loop puts out where initial states are given: before the first step that counts, the state it puts out later."""
    if mask is None or not states:
        return ran
    b, initial = ctx.b, states[0] if _puts_out_first_state(ctx) else states[-1]
    if ctx.layer.config.get("go_backwards"):
        mask = b.op("reverse", mask, axes=(1,))
    counted = b.op("cumsum", b.op("cast", mask, dtype="int32"), axis=1)
    started = b.op("greater", counted, b.constant(0, "int32", name="none"))
    begun = b.op("reduce_any", mask, axes=(1,), keepdims=False)
    sequence = b.op(
        "select",
        _like(ctx, started, ran.sequence),
        ran.sequence,
        b.op("expand_dims", initial, axes=(1,)),
    )
    return replace(
        ran, sequence=sequence, last=b.op("select", _like(ctx, begun, ran.last), ran.last, initial)
    )


def in_order(ctx: Context, ran: Ran) -> Ran:
    """What such a loop puts out that goes backwards: before Keras 2.0.7 it looked into the future (``future_value``), and what it
    computed stands where its input did; the last of that is its first step's.

    Raises:
        LoweringError: it returns its states, of which those versions gave back all.
    """
    version = ctx.provenance.version
    if not (2,) <= version < _PAST_SINCE:
        return ran
    if ctx.layer.config.get("return_state"):
        raise ctx.error(
            "Before Keras 2.0.7 a recurrent layer on CNTK gave back the states of all steps in place of the last one's. "
            f"Received: a model of Keras {ctx.provenance.keras_version} with return_state=True"
        )
    if not ctx.layer.config.get("go_backwards"):
        return ran
    sequence = ctx.b.op("reverse", ran.sequence, axes=(1,))
    return replace(ran, sequence=sequence, last=last_step(ctx.b, sequence, axis=1))


def _like(ctx: Context, condition: Value, x: Value) -> Value:
    return ctx.b.op("expand_dims", condition, axes=tuple(range(condition.rank, x.rank)))


@dataclass(frozen=True)
class LastStateOutput:
    """A cell that puts out its last state."""

    cell: StepCell

    def shapes(self, x: Value) -> list[Shape]:
        """The cell's."""
        return self.cell.shapes(x)

    def project(self, x: Value) -> Value:
        """The cell's."""
        return self.cell.project(x)

    def step(self, x: Value, states: list[Value]) -> tuple[Value, list[Value]]:
        """One step."""
        _, after = self.cell.step(x, states)
        return after[-1], after


@dataclass(frozen=True)
class LastStateLSTM:
    """An LSTM whose output at each step is the cell state c in place of h."""

    ctx: Context

    def shapes(self, x: Value) -> list[Shape]:
        """H and c."""
        return [(x.shape[0], integer(self.ctx, "units"))] * 2

    def project(self, x: Value) -> Value:
        """The product with the input's kernel, and the bias."""
        bias = self.ctx.weight_value("bias") if self.ctx.layer.config.get("use_bias", True) else None
        return self.ctx.b.op("dense", x, self.ctx.weight_value("kernel"), bias)

    def step(self, x: Value, states: list[Value]) -> tuple[Value, list[Value]]:
        """``c = f c + i g``, ``h = o activation(c)`` (Keras's formulas), and c."""
        b, config, (h, c) = self.ctx.b, self.ctx.layer.config, states
        units = integer(self.ctx, "units")
        z = b.op("add", x, b.op("dense", h, self.ctx.weight_value("recurrent_kernel"), None))
        i, f, g, o = b.ops("split", z, axis=1, sizes=(units,) * 4)

        def gate(value: Value) -> Value:
            return apply_activation(self.ctx, value, config.get("recurrent_activation"))

        new = b.op("mul", gate(i), apply_activation(self.ctx, g, config.get("activation")))
        c = b.op("add", b.op("mul", gate(f), c), new)
        h = b.op("mul", gate(o), apply_activation(self.ctx, c, config.get("activation")))
        return c, [h, c]
