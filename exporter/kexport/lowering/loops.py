"""Loops over time: what recurrent layers are built on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from kexport.ir import Graph, TensorType, Value, dims
from kexport.lowering.registry import Context

#: (one step of each sequence, states) → (what the step computes, new states).
Step: TypeAlias = Callable[[list[Value], list[Value]], tuple[list[Value], list[Value]]]


def scan(
    ctx: Context, sequences: Sequence[Value], states: Sequence[Value], step: Step
) -> tuple[list[Value], list[Value]]:
    """One ``scan`` whose body is what ``step`` builds.

    Args:
        ctx: the layer's context; ``step`` builds with its builder.
        sequences: (time, batch, …) each.
        states: the initial ones.
        step: called once, with the body's inputs.

    Returns:
        What the steps compute, (time, batch, …) each, and the states after the last one.
    """
    b = ctx.b
    steps = [b.input(f"{b.origin}/step", TensorType(v.dtype, v.shape[1:])) for v in sequences]
    before = [b.input(f"{b.origin}/state", v.type) for v in states]
    outside, b.nodes = b.nodes, []
    try:
        outputs, after = step(steps, before)
    finally:
        inside, b.nodes = b.nodes, outside
    inputs, results = [*steps, *before], [*outputs, *after]
    body = Graph(
        f"{b.origin}/body",
        inputs,
        results,
        inside,
        [value.name for value in inputs],
        [f"result{index}" for index in range(len(results))],
    )
    made = b.ops("scan", *sequences, *states, body=body, sequences=len(sequences), states=len(states))
    return made[: len(outputs)], made[len(outputs) :]


def masked(mask: Value, step: Step, ctx: Context, *, zero: bool) -> tuple[list[Value], Step]:
    """``step`` where a mask (time, batch) says which steps count: the others keep the states.

    What a step that doesn't count computes is 0 with ``zero``, else what the last one that did computed (0 before the first), as
    ``rnn`` does in keras/src/backend/tensorflow/rnn.py (v3.15). That takes one state more, the last; its initial value, and the
    mask as a sequence before the others, are the caller's.
    """

    def held(values: list[Value], states: list[Value]) -> tuple[list[Value], list[Value]]:
        counts, last, own = values[0], states[-1], states[:-1]
        outputs, after = step(values[1:], own)
        other = ctx.b.scalar(0.0, outputs[0]) if zero else last
        chosen = _where(ctx, counts, outputs[0], other)
        kept = [_where(ctx, counts, new, old) for new, old in zip(after, own, strict=True)]
        return [chosen, *outputs[1:]], [*kept, chosen]

    return [mask], held


def _where(ctx: Context, counts: Value, yes: Value, no: Value) -> Value:
    """``yes`` in the samples that count."""
    condition = counts
    if yes.rank > 1:
        condition = ctx.b.op("expand_dims", counts, axes=tuple(range(1, yes.rank)))
    return ctx.b.op("select", condition, yes, no)


def time_major(ctx: Context, x: Value) -> Value:
    """(batch, time, …) as (time, batch, …), and back."""
    return ctx.b.op("transpose", x, perm=(1, 0, *range(2, x.rank)))


def zeros(ctx: Context, shape: dims.Shape, dtype: str) -> Value:
    """Zeros of that shape, the batch known or not."""
    if dims.is_static(shape):
        return ctx.b.op("broadcast_to", ctx.b.constant(0, dtype, name="zero"), shape=shape)
    zero = ctx.b.constant([0], dtype, name="zero")
    return ctx.b.op("broadcast_to", zero, shape=shape)
