"""Recurrent layers: a cell over the steps of a sequence, one way or both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from kexport.ir import Value, dims
from kexport.loading.spec import LayerSpec
from kexport.lowering.cells import Cell, cell_of
from kexport.lowering.loops import Step, masked, scan, time_major, zeros
from kexport.lowering.registry import Context, lowers
from kexport.lowering.regularization import refuse_training


def _flag(ctx: Context, name: str) -> bool:
    return bool(ctx.layer.config.get(name))


def initial_states(ctx: Context, inputs: Sequence[Value]) -> list[Value]:
    """The states that the call gives, as ``initial_state`` or behind the sequence in its first argument."""
    given = ctx.kwargs.get("initial_state")
    if given is None and len(ctx.args) > 1:
        given = ctx.args[1]
    found = list(_flat(given)) if given is not None else list(inputs[1:])
    if not all(isinstance(value, Value) for value in found):
        raise ctx.error(f"initial_state is a list of tensors. Received: {given!r}")
    return found


def _flat(item: Any) -> list[Any]:
    if isinstance(item, list | tuple):
        return [part for entry in item for part in _flat(entry)]
    return [item]


def run_cell(ctx: Context, cell: Cell, x: Value, states: Sequence[Value], mask: Value | None) -> list[Value]:
    """``cell`` over ``x`` (batch, time, features): the outputs of all steps (batch, time, units), that of the last one, and the
    states after it; ``go_backwards`` from the last step to the first, the outputs in that order."""
    if x.rank < 3:
        raise ctx.error(f"It takes (batch, time, features). Received: {x.type}")
    if _flag(ctx, "go_backwards"):
        x = ctx.b.op("reverse", x, axes=(1,))
        mask = None if mask is None else ctx.b.op("reverse", mask, axes=(1,))
    projected = cell.project(x)
    shapes = cell.shapes(projected)
    first = list(states) or [zeros(ctx, shape, ctx.compute_dtype) for shape in shapes]
    if len(first) != len(shapes) or any(s.shape[1:] != w[1:] for s, w in zip(first, shapes, strict=False)):
        wanted = ", ".join(map(dims.format_shape, shapes))
        raise ctx.error(f"Its initial states are {wanted}. Received: {', '.join(str(s.type) for s in first)}")
    sequences = [time_major(ctx, projected)]

    def step(values: list[Value], before: list[Value]) -> tuple[list[Value], list[Value]]:
        output, after = cell.step(values[0], before)
        return [output], after

    run: Step = step
    if mask is not None:
        more, run = masked(time_major(ctx, mask), step, ctx, zero=_flag(ctx, "zero_output_for_mask"))
        sequences = [*more, *sequences]
        first.append(zeros(ctx, shapes[_output_state(cell, projected)], ctx.compute_dtype))
    (outputs,), last = scan(ctx, sequences, first, run)
    final = last[-1] if mask is not None else last[_output_state(cell, projected)]
    return [time_major(ctx, outputs), final, *last[: len(shapes)]]


def _output_state(cell: Cell, x: Value) -> int:
    """The state that is the output too: that of the last cell of a stack, whose first state is its output."""
    cells = getattr(cell, "cells", None)
    return 0 if cells is None else len(cell.shapes(x)) - len(cells[-1].shapes(x))


def lower_cell(ctx: Context, cell: Cell, inputs: Sequence[Value]) -> list[Value]:
    """What a recurrent layer of that cell returns."""
    refuse_training(ctx)
    x = inputs[0]
    mask = ctx.mask(x)
    sequence, final, *states = run_cell(ctx, cell, x, initial_states(ctx, inputs), mask)
    output = sequence if _flag(ctx, "return_sequences") else final
    if _flag(ctx, "return_sequences") and mask is not None:
        ctx.put_mask(output, mask)
    return [output, *states] if _flag(ctx, "return_state") else [output]


@lowers("SimpleRNN", "LSTM", "GRU")
def lower_recurrent(ctx: Context, *inputs: Value) -> list[Value]:
    """The layer's own cell over time; a ``stateful`` layer starts from zeros, as Keras does after loading."""
    return lower_cell(ctx, cell_of(ctx, f"{ctx.layer.class_name}Cell"), inputs)


@lowers("RNN")
def lower_rnn(ctx: Context, *inputs: Value) -> list[Value]:
    """Any of Keras's cells, or several stacked, over time."""
    children = ctx.layer.children
    if "cell" not in children and "cell_0" not in children:
        raise ctx.error("It has a cell. Received: none")
    if "cell" in children:
        child = children["cell"]
        return lower_cell(ctx, cell_of(replace(ctx, layer=child), child.class_name), inputs)
    return lower_cell(ctx, cell_of(ctx, "StackedRNNCells"), inputs)


@lowers("Bidirectional")
def lower_bidirectional(ctx: Context, *inputs: Value) -> list[Value]:
    """The layer over the sequence and over its reverse, whose outputs are turned round again and merged by ``merge_mode``."""
    refuse_training(ctx)
    forward, backward = (ctx.layer.children.get(role) for role in ("forward_layer", "backward_layer"))
    if forward is None or backward is None:
        raise ctx.error("It wraps a recurrent layer. Received: none")
    x, states, mask = inputs[0], initial_states(ctx, inputs), ctx.mask(inputs[0])
    half = len(states) // 2
    ahead = ctx.lower_layer(_zeroing(forward), [x], _arguments(mask, states[:half]))
    back = ctx.lower_layer(_zeroing(backward), [x], _arguments(mask, states[half:]))
    turned = back[0]
    if forward.config.get("return_sequences"):
        turned = ctx.b.op("reverse", turned, axes=(1,))
    outputs = _merge(ctx, ahead[0], turned)
    if forward.config.get("return_sequences") and mask is not None:
        for value in outputs:
            ctx.put_mask(value, mask)
    return [*outputs, *ahead[1:], *back[1:]]


def _zeroing(layer: LayerSpec) -> LayerSpec:
    """The layer as Bidirectional makes it: its outputs at steps that don't count are 0 where it returns all of them
    (``force_zero_output_for_mask`` in keras/src/layers/rnn/bidirectional.py, v3.15)."""
    sequences = bool(layer.config.get("return_sequences"))
    return replace(layer, config={**layer.config, "zero_output_for_mask": sequences})


def _arguments(mask: Value | None, states: Sequence[Value]) -> Mapping[str, Any]:
    given: dict[str, Any] = {} if mask is None else {"mask": mask}
    return {**given, "initial_state": list(states)} if states else given


def _merge(ctx: Context, a: Value, b: Value) -> list[Value]:
    mode = ctx.layer.config.get("merge_mode", "concat")
    match mode:
        case None:
            return [a, b]
        case "concat":
            return [ctx.b.op("concat", a, b, axis=a.rank - 1)]
        case "sum":
            return [ctx.b.op("add", a, b)]
        case "mul":
            return [ctx.b.op("mul", a, b)]
        case "ave":
            return [ctx.b.op("mul", ctx.b.op("add", a, b), ctx.b.scalar(0.5, a))]
    raise ctx.error(f"merge_mode is 'concat', 'sum', 'mul', 'ave' or None. Received: {mode!r}")
