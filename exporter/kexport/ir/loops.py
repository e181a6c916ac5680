"""Builds loops over the steps of sequences: for lowering rules, and for the pass that expands recurrent ops."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from kexport.ir import dims
from kexport.ir.builder import Builder
from kexport.ir.graph import Graph, TensorType, Value

#: (one step of each sequence, states) → (what the step computes, new states).
Step: TypeAlias = Callable[[list[Value], list[Value]], tuple[list[Value], list[Value]]]

#: (one projected step, states) → (output, new states): what a recurrent cell does.
CellStep: TypeAlias = Callable[[Value, list[Value]], tuple[Value, list[Value]]]


def scan(
    b: Builder, sequences: Sequence[Value], states: Sequence[Value], step: Step
) -> tuple[list[Value], list[Value]]:
    """One ``scan`` whose body is what ``step`` builds.

    Args:
        b: ``step`` builds with it too.
        sequences: (time, batch, …) each.
        states: the initial ones.
        step: called once, with the body's inputs.

    Returns:
        What the steps compute, (time, batch, …) each, and the states after the last one.
    """
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


@dataclass(frozen=True)
class Ran:
    """What a cell computed: the outputs of all steps (batch, time, …), that of the last one, and the states after it."""

    sequence: Value
    last: Value
    states: list[Value]


def run_cell(
    b: Builder,
    x: Value,
    states: Sequence[Value],
    step: CellStep,
    *,
    output_type: TensorType,
    mask: Value | None = None,
    zero_output_for_mask: bool = False,
) -> Ran:
    """``step`` over the steps of ``x`` (batch, time, …).

    A mask (batch, time) says which steps count: the others keep the states. What a step that doesn't count computes is 0 with
    ``zero_output_for_mask``, else what the last one that did computed (0 before the first), as ``rnn`` does in
    keras/src/backend/tensorflow/rnn.py (v3.15). ``output_type`` is that of one step's output.
    """
    carried: list[int] = []  # the state that is the output too, where one is

    def plain(values: list[Value], before: list[Value]) -> tuple[list[Value], list[Value]]:
        output, after = step(values[-1], before)
        carried.extend(after.index(state) for state in after if state is output)
        return [output], after

    def masked(values: list[Value], before: list[Value]) -> tuple[list[Value], list[Value]]:
        own, last = before[:-1], before[-1]
        (output,), after = plain(values, own)
        other = b.scalar(0.0, output) if zero_output_for_mask else last
        chosen = _where(b, values[0], output, other)
        return [chosen], [
            *(_where(b, values[0], new, old) for new, old in zip(after, own, strict=True)),
            chosen,
        ]

    if mask is not None:
        first = [*states, zeros(b, output_type)]
        (outputs,), after = scan(b, [time_major(b, mask), time_major(b, x)], first, masked)
        return Ran(time_major(b, outputs), after[-1], after[:-1])
    (outputs,), after = scan(b, [time_major(b, x)], states, plain)
    last = after[carried[0]] if carried else last_step(b, outputs, axis=0)
    return Ran(time_major(b, outputs), last, after)


def _where(b: Builder, counts: Value, yes: Value, no: Value) -> Value:
    """``yes`` in the samples that count."""
    condition = counts
    if yes.rank > 1:
        condition = b.op("expand_dims", counts, axes=tuple(range(1, yes.rank)))
    return b.op("select", condition, yes, no)


def last_step(b: Builder, x: Value, *, axis: int) -> Value:
    """The last step of a sequence along ``axis``, without that dimension."""
    bounds = [((-1, None) if index == axis else (0, None)) for index in range(x.rank)]
    begin, end = zip(*bounds, strict=True)
    row = b.op("slice", x, begin=begin, end=end, strides=(1,) * x.rank)
    return b.op("squeeze", row, axes=(axis,))


def time_major(b: Builder, x: Value) -> Value:
    """(batch, time, …) as (time, batch, …), and back."""
    return b.op("transpose", x, perm=(1, 0, *range(2, x.rank)))


def zeros(b: Builder, wanted: TensorType) -> Value:
    """Zeros of that type, its dimensions known or not."""
    zero = b.constant(0 if dims.is_static(wanted.shape) else [0], wanted.dtype, name="zero")
    return b.op("broadcast_to", zero, shape=wanted.shape)
