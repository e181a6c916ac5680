"""Recurrent cells of the user's own: what one step computes is traced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kexport.ir import Shape, TensorType, Value
from kexport.lowering.registry import Context
from kexport.lowering.tracing import Tracer


@dataclass(frozen=True)
class TracedCell:
    """A cell whose ``call(inputs, states)`` is traced for one step; it computes in the dtype of its first state's weights."""

    ctx: Context
    tracer: Tracer

    def shapes(self, x: Value) -> list[Shape]:
        """What the cell's ``state_size`` says, with the batch."""
        sizes = self.tracer.state_sizes(self.ctx.layer)
        return [(x.shape[0], *(size if isinstance(size, Sequence) else (size,))) for size in sizes]

    def project(self, x: Value) -> Value:
        """Nothing of it is known to be independent of the states."""
        return x

    def step(self, x: Value, states: list[Value]) -> tuple[Value, list[Value]]:
        """One call of the cell on (batch, …)."""
        types = [state.type for state in states]
        given: tuple[Any, ...] = (x.type, types)
        none: list[TensorType | None] = [None] * (1 + len(states))
        traced = self.tracer.layer(self.ctx.layer, given, {}, none)
        output, *after = self.ctx.lower_model(traced.model, [x, *states])[: traced.outputs]
        # Inside a loop, what goes out is a value of its own, even where a state is handed on as it is.
        return output, [self.ctx.b.op("identity", state) for state in after]
