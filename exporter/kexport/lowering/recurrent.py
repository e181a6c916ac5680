"""Recurrent layers: a cell over the steps of a sequence, one way or both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from kexport.ir import TensorType, Value, dims
from kexport.ir.loops import Ran, run_cell, zeros
from kexport.loading.spec import LayerSpec
from kexport.lowering.cells import Cell, OpCell, Stacked, cell_of
from kexport.lowering.cntk_cells import as_loop, from_states, in_order, is_loop
from kexport.lowering.registry import Context, lowers
from kexport.lowering.regularization import refuse_training

#: Recurrent layers that keras-mxnet runs as loops, ``foreach`` of MXNet (``rnn`` in keras/backend/mxnet_backend.py, 2.2.4.3; measured
#: with MXNet 1.5.1); convolutional ones it always unrolls.
_MXNET_LOOPS = ("SimpleRNN", "LSTM", "GRU", "RNN")


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


def _run(ctx: Context, cell: Cell, x: Value, states: Sequence[Value], mask: Value | None) -> Ran:
    """``cell`` over ``x`` (batch, time, …), with the layer's ``go_backwards`` and ``zero_output_for_mask``."""
    match cell:
        case OpCell():
            return _run_op(ctx, cell, x, states, mask)
        case Stacked():
            return _run_stack(ctx, cell, x, states, mask)
    if _flag(ctx, "go_backwards"):
        x, mask = _turned(ctx, x), None if mask is None else _turned(ctx, mask)
    projected = cell.project(x)
    types = [TensorType(ctx.compute_dtype, shape) for shape in cell.shapes(projected)]
    _check_states(ctx, states, types)
    first, zero = list(states) or [zeros(ctx.b, state) for state in types], _flag(ctx, "zero_output_for_mask")
    return run_cell(
        ctx.b, projected, first, cell.step, output_type=types[0], mask=mask, zero_output_for_mask=zero
    )


def _run_op(ctx: Context, cell: OpCell, x: Value, states: Sequence[Value], mask: Value | None) -> Ran:
    if x.rank != 3:
        raise ctx.error(f"It takes (batch, time, features). Received: {x.type}")
    _check_states(ctx, states, [TensorType(ctx.compute_dtype, shape) for shape in cell.shapes(x)])
    flags = {name: _flag(ctx, name) for name in ("go_backwards", "zero_output_for_mask")}
    made = ctx.b.ops(cell.op, x, *cell.weights(), mask, *states, **cell.attrs(x), **flags)
    return Ran(made[0], made[1], made[2:])


def _run_stack(ctx: Context, stack: Stacked, x: Value, states: Sequence[Value], mask: Value | None) -> Ran:
    """Each cell over what the one before it computed; the first alone sees the steps turned round."""
    if states:
        _check_states(ctx, states, [TensorType(ctx.compute_dtype, shape) for shape in stack.shapes(x)])
    if _flag(ctx, "go_backwards"):
        x, mask = _turned(ctx, x), None if mask is None else _turned(ctx, mask)
    forward = replace(ctx, layer=replace(ctx.layer, config={**ctx.layer.config, "go_backwards": False}))
    rest: list[Value] = list(states)
    after: list[Value] = []
    for cell in stack.cells:
        count = len(cell.shapes(x))
        own, rest = rest[:count], rest[count:]
        ran = _run(forward, cell, x, own, mask)
        x, after = ran.sequence, [*after, *ran.states]
    return Ran(ran.sequence, ran.last, after)


def _turned(ctx: Context, x: Value) -> Value:
    """The steps from the last to the first."""
    return ctx.b.op("reverse", x, axes=(1,))


def _check_states(ctx: Context, given: Sequence[Value], wanted: Sequence[TensorType]) -> None:
    if not given:
        return
    if len(given) != len(wanted) or any(
        s.shape[1:] != w.shape[1:] for s, w in zip(given, wanted, strict=False)
    ):
        shapes = ", ".join(dims.format_shape(state.shape) for state in wanted)
        raise ctx.error(f"Its initial states are {shapes}. Received: {', '.join(str(s.type) for s in given)}")


def _read_mask(ctx: Context, x: Value, states: Sequence[Value]) -> Value | None:
    """The mask that the layer reads. Keras 3 hands on what a tensor carries to a call of one tensor alone: with initial states only
    the call's own argument ``mask`` counts (``Layer.__call__``, step 6, in keras/src/layers/layer.py, v3.15)."""
    if states and ctx.provenance.keras_major >= 3 and ctx.kwargs.get("mask") is None:
        return None
    return ctx.mask(x)


def _run_there(ctx: Context, cell: Cell, x: Value, states: Sequence[Value], mask: Value | None) -> Ran:
    """``cell`` over ``x``, as the backend that trained the model runs it."""
    if is_loop(ctx):
        return in_order(ctx, from_states(ctx, _run(ctx, as_loop(ctx, cell), x, states, mask), states, mask))
    if (
        ctx.provenance.backend == "mxnet"
        and ctx.layer.class_name in _MXNET_LOOPS
        and not _flag(ctx, "unroll")
    ):
        raise ctx.error(
            "keras-mxnet can't load a recurrent layer that it does not unroll: it computes with zeros in place of its weights, whatever "
            "the input. Received: a model trained on MXNet with unroll=False",
            hint="Train it with unroll=True.",
        )
    return _run(ctx, cell, x, states, mask)


def lower_cell(ctx: Context, cell: Cell, inputs: Sequence[Value]) -> list[Value]:
    """What a recurrent layer of that cell returns."""
    refuse_training(ctx)
    x, states = inputs[0], initial_states(ctx, inputs)
    if x.rank < 3:
        raise ctx.error(f"It takes (batch, time, …). Received: {x.type}")
    ran = _run_there(ctx, cell, x, states, _read_mask(ctx, x, states))
    output, mask = ran.sequence if _flag(ctx, "return_sequences") else ran.last, ctx.mask(x)
    if _flag(ctx, "return_sequences") and mask is not None:
        ctx.put_mask(output, mask)
    return [output, *ran.states] if _flag(ctx, "return_state") else [output]


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
    x, states = inputs[0], initial_states(ctx, inputs)
    mask, half = _read_mask(ctx, x, states), len(states) // 2
    ahead = ctx.lower_layer(_zeroing(forward), [x], _arguments(mask, states[:half]))
    back = ctx.lower_layer(_zeroing(backward), [x], _arguments(mask, states[half:]))
    turned = back[0]
    if forward.config.get("return_sequences"):
        turned = ctx.b.op("reverse", turned, axes=(1,))
    outputs, carried = _merge(ctx, ahead[0], turned), ctx.mask(x)
    if forward.config.get("return_sequences") and carried is not None:
        for value in outputs:
            ctx.put_mask(value, carried)
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
