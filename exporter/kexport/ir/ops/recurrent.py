"""Recurrent layers, whole: a cell over the steps of a sequence.

Targets whose format has such an op take it as it is; for the others :mod:`kexport.passes.expand_recurrent` makes it a ``scan``.

All three take ``(x, kernel, recurrent_kernel, bias?, mask?, initial states?…)``: x (batch, time, features), kernel (features, gates *
units), recurrent_kernel (units, gates * units), bias (gates * units,), mask bool (batch, time), each state (batch, units), all of them
or none (then they are 0). Gates lie side by side in Keras's order. They return the outputs of all steps (batch, time, units), the
output of the last step, and the states after it (batch, units) each.

Attributes: ``activation`` and ``recurrent_activation``, graphs of one tensor (batch, units) to one like it, that are called as Keras
calls the function; ``go_backwards``: from the last step to the first, the outputs in that order. Steps that a mask leaves out keep the
states; their output is 0 with ``zero_output_for_mask``, else that of the last step that counted (0 before the first).

Formulas: keras/src/layers/rnn/{simple_rnn,lstm,gru}.py and ``rnn`` of keras/src/backend/tensorflow/rnn.py, Keras 3.15, which are those
of Keras 1 and 2 but for defaults.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from kexport.ir.graph import Array, Attrs, Graph, TensorType, Value
from kexport.ir.ops._registry import REQUIRED, Inputs, OpError, op, optional, required


@dataclass(frozen=True)
class Layout:
    """How many gates an op's kernels hold, and how many states it has."""

    gates: int
    states: int


LAYOUTS: Final = {"simple_rnn": Layout(1, 1), "lstm": Layout(4, 2), "gru": Layout(3, 1)}

_ATTRS: Final = {"activation": REQUIRED, "go_backwards": False, "zero_output_for_mask": False}

#: (one step of x, states) → new states, the first of which is the output.
_Step = Callable[[Array, list[Array]], list[Array]]


def _types(name: str) -> Callable[[Inputs, Attrs], list[TensorType]]:
    layout = LAYOUTS[name]

    def infer(inputs: Inputs, attrs: Attrs) -> list[TensorType]:
        x, kernel, recurrent = (required(inputs, index) for index in range(3))
        if x.rank != 3 or recurrent.rank != 2:
            raise OpError(
                f"{name} takes (batch, time, features) and a recurrent kernel. Received: {x}, {recurrent}"
            )
        units = recurrent.shape[0]
        wide = recurrent.shape[1]
        if kernel.shape != (x.shape[2], wide) or wide != layout.gates * int(str(units)):
            raise OpError(
                f"Kernels are (features, {layout.gates} * units) and (units, …). Received: {kernel}, {recurrent}"
            )
        bias, mask = optional(inputs, 3), optional(inputs, 4)
        wanted = (2, wide) if attrs.get("reset_after") else (wide,)
        if bias is not None and bias.shape != wanted:
            raise OpError(f"The bias is {wanted}. Received: {bias!r}")
        if mask is not None and mask.type != TensorType("bool", x.shape[:2]):
            raise OpError(f"The mask is bool {x.shape[:2]}. Received: {mask!r}")
        state = TensorType(x.dtype, (x.shape[0], units))
        _check_states(name, inputs[5:], layout.states, units)
        for key in ("activation", "recurrent_activation"):
            if key in attrs:
                _check_activation(key, attrs[key], x.dtype)
        sequence = TensorType(x.dtype, (*x.shape[:2], units))
        return [sequence, state, *[state] * layout.states]

    return infer


def _check_states(name: str, given: Inputs, count: int, units: Any) -> None:
    states = [value for value in given if value is not None]
    if len(given) not in (0, count) or len(states) != len(given):
        raise OpError(f"{name} has {count} initial states, or none. Received: {list(given)}")
    if any(value.shape[1:] != (units,) for value in states):
        raise OpError(f"Initial states are (batch, {units}). Received: {states}")


def _check_activation(key: str, graph: Any, dtype: str) -> None:
    if not isinstance(graph, Graph) or len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise OpError(f"{key} is a graph of one tensor. Received: {graph!r}")
    if graph.inputs[0].type != graph.outputs[0].type or graph.inputs[0].dtype != dtype:
        raise OpError(
            f"{key} keeps shape and dtype ({dtype}). Received: {graph.inputs[0]!r}, {graph.outputs[0]!r}"
        )


def _function(graph: Graph) -> Callable[[Array], Array]:
    from kexport.ir.evaluate import evaluate

    return lambda x: evaluate(graph, [x])[0]


def _over_time(inputs: Sequence[Any], attrs: Attrs, states: int, step: _Step) -> list[Array]:
    """The op's outputs for what ``step`` computes."""
    x, units = inputs[0], inputs[2].shape[0]
    batch, time, _ = x.shape
    mask = np.ones((batch, time), bool) if optional(inputs, 4) is None else inputs[4]
    now = list(inputs[5:]) or [np.zeros((batch, units), x.dtype)] * states
    last = np.zeros((batch, units), x.dtype)
    outputs = np.zeros((batch, time, units), x.dtype)
    for position, index in enumerate(reversed(range(time)) if attrs["go_backwards"] else range(time)):
        counts = mask[:, index, None]
        new = step(x[:, index], now)
        last = np.where(counts, new[0], np.zeros_like(last) if attrs["zero_output_for_mask"] else last)
        now = [np.where(counts, after, before) for after, before in zip(new, now, strict=True)]
        outputs[:, position] = last
    return [outputs, last, *now]


def _parameters(inputs: Sequence[Any]) -> tuple[Array, Array, Any]:
    bias = optional(inputs, 3)
    return inputs[1], inputs[2], 0 if bias is None else bias


@op("simple_rnn", infer=_types("simple_rnn"), attrs=_ATTRS)
def simple_rnn(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """``h = activation(x W + b + h U)``. For inputs, outputs and attributes see this file's head."""
    kernel, recurrent, bias = _parameters(inputs)
    activation = _function(attrs["activation"])
    return _over_time(
        inputs, attrs, 1, lambda x, states: [activation(x @ kernel + bias + states[0] @ recurrent)]
    )


@op("lstm", infer=_types("lstm"), attrs={**_ATTRS, "recurrent_activation": REQUIRED})
def lstm(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """``c = f c + i g``, ``h = o activation(c)`` with the gates i, f, g, o of ``x W + b + h U``; i, f and o go through
    ``recurrent_activation``, g through ``activation``. For inputs, outputs and attributes see this file's head."""
    kernel, recurrent, bias = _parameters(inputs)
    activation, gate = _function(attrs["activation"]), _function(attrs["recurrent_activation"])

    def step(x: Array, states: list[Array]) -> list[Array]:
        h, c = states
        i, f, g, o = np.split(x @ kernel + bias + h @ recurrent, 4, axis=-1)
        c = gate(f) * c + gate(i) * activation(g)
        return [gate(o) * activation(c), c]

    return _over_time(inputs, attrs, 2, step)


@op("gru", infer=_types("gru"), attrs={**_ATTRS, "recurrent_activation": REQUIRED, "reset_after": False})
def gru(inputs: Sequence[Any], attrs: Attrs) -> list[Array]:
    """``h = z h + (1 - z) g`` with the gates z, r, g; z and r go through ``recurrent_activation``, g through ``activation``.

    g is ``activation(x W + b + (r h) U)``; with ``reset_after`` it is ``activation(x W + b + r (h U + b'))``, the bias being (2,
    3 * units): b for what comes of x, b' for what comes of h. For inputs, outputs and attributes see this file's head.
    """
    kernel, recurrent, bias = _parameters(inputs)
    activation, gate = _function(attrs["activation"]), _function(attrs["recurrent_activation"])
    units, after = recurrent.shape[0], attrs["reset_after"]
    outer, inner = bias if after and np.ndim(bias) else (bias, 0)

    def step(x: Array, states: list[Array]) -> list[Array]:
        (h,) = states
        xz, xr, xg = np.split(x @ kernel + outer, 3, axis=-1)
        hz, hr, hg = np.split(h @ recurrent + inner, 3, axis=-1)
        z, r = gate(xz + hz), gate(xr + hr)
        g = activation(xg + (r * hg if after else (r * h) @ recurrent[:, 2 * units :]))
        return [z * h + (1 - z) * g]

    return _over_time(inputs, attrs, 1, step)


def activation_op(graph: Graph) -> str | None:
    """The op that an activation comes to, ``linear`` for none at all; None where it is more than one, or one with operands."""
    if not graph.nodes:
        return "linear"
    (x,), (y,) = graph.inputs, graph.outputs
    node = graph.nodes[0]
    alone = len(graph.nodes) == 1 and node.inputs == [x] and node.outputs == [y]
    return node.op if alone else None


def layer_inputs(values: Sequence[Value | None]) -> tuple[Value | None, Value | None, list[Value]]:
    """Bias, mask and initial states among an op's inputs."""
    return optional(values, 3), optional(values, 4), [value for value in values[5:] if value is not None]
