"""Recurrent layers over (time, batch, features). Source: coremltools 9.0, mil/ops/defs/iOS15/recurrent.py and iOS18/recurrent.py.

A layer in direction ``reverse`` puts its states out in the order it computed them, from the end of the sequence; the backward
half of a bidirectional one stands in the order of time. So do the values that mil/ops/tests/iOS14/test_recurrent.py holds Core
ML against.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kexport_runtimes.coreml.errors import ComputeError
from kexport_runtimes.coreml.ops.activations import RECURRENT
from kexport_runtimes.coreml.ops.arguments import one_of
from kexport_runtimes.coreml.registry import op

Array = NDArray[Any]

_DIRECTIONS = ("forward", "reverse")


@op("rnn")
def rnn(
    x: Array,
    initial_h: Array,
    weight_ih: Array,
    weight_hh: Array,
    bias: Array | None = None,
    direction: str = "forward",
    output_sequence: Any = False,
    activation: str = "tanh",
) -> tuple[Array, Array]:
    """h = activation(weight_ih x + weight_hh h + bias). All states or the last one; and the last one."""
    act = _activation(activation)
    given = _projected(x, weight_ih, bias)
    h, states = _checked(initial_h, x, weight_hh.shape[1]), []
    for t in _order(one_of(direction, _DIRECTIONS, "direction"), len(x)):
        h = act(given[t] + h @ weight_hh.T)
        states.append(h)
    return _sequence(states, output_sequence), h


@op("gru", since="iOS13")
def gru(
    x: Array,
    initial_h: Array,
    weight_ih: Array,
    weight_hh: Array,
    bias: Array | None = None,
    direction: str = "forward",
    output_sequence: Any = False,
    recurrent_activation: str = "sigmoid",
    activation: str = "tanh",
) -> tuple[Array, Array]:
    """As :func:`gru_with_reset`, the reset gate before the product: the operation before iOS 18 knows no other."""
    return gru_with_reset(
        *(x, initial_h, weight_ih, weight_hh, bias, direction),
        *(output_sequence, recurrent_activation, activation),
    )


@op("gru", since="iOS18")
def gru_with_reset(
    x: Array,
    initial_h: Array,
    weight_ih: Array,
    weight_hh: Array,
    bias: Array | None = None,
    direction: str = "forward",
    output_sequence: Any = False,
    recurrent_activation: str = "sigmoid",
    activation: str = "tanh",
    reset_after: Any = False,
    input_bias: Array | None = None,
) -> tuple[Array, Array]:
    """Gated recurrent unit; gates stand as reset, output, update. All states or the last one; and the last one.

    With ``reset_after`` the reset gate multiplies the product of the state, with its bias, instead of the state.
    """
    gate, act = _activation(recurrent_activation), _activation(activation)
    given = _projected(x, weight_ih, input_bias)
    size = weight_hh.shape[1]
    w_r, w_o, w_z = weight_hh.reshape(3, size, size)
    b_r, b_o, b_z = np.zeros((3, size), np.float32) if bias is None else bias.reshape(3, size)
    h, states = _checked(initial_h, x, size), []
    for t in _order(one_of(direction, _DIRECTIONS, "direction"), len(x)):
        x_r, x_o, x_z = np.split(given[t], 3, axis=-1)
        r = gate(x_r + h @ w_r.T + b_r)
        z = gate(x_z + h @ w_z.T + b_z)
        inner = r * (h @ w_o.T + b_o) if reset_after else (r * h) @ w_o.T + b_o
        h = (1 - z) * act(x_o + inner) + z * h
        states.append(h)
    return _sequence(states, output_sequence), h


@op("lstm")
def lstm(
    x: Array,
    initial_h: Array,
    initial_c: Array,
    weight_ih: Array,
    weight_hh: Array,
    bias: Array | None = None,
    peephole: Array | None = None,
    weight_ih_back: Array | None = None,
    weight_hh_back: Array | None = None,
    bias_back: Array | None = None,
    peephole_back: Array | None = None,
    direction: str = "forward",
    output_sequence: Any = False,
    recurrent_activation: str = "sigmoid",
    cell_activation: str = "tanh",
    activation: str = "tanh",
    clip: Array | None = None,
) -> tuple[Array, Array, Array]:
    """Long short-term memory; gates stand as input, forget, output, cell. All states or the last one; the last one; its cell.

    Both directions' results stand side by side on the last axis.
    """
    acts = (_activation(recurrent_activation), _activation(cell_activation), _activation(activation))
    size = weight_hh.shape[1]
    if one_of(direction, (*_DIRECTIONS, "bidirectional"), "direction") != "bidirectional":
        start = (_checked(initial_h, x, size), _checked(initial_c, x, size))
        states, h, c = _lstm(x, *start, (weight_ih, weight_hh, bias, peephole), acts, direction, clip)
        return _sequence(states, output_sequence), h, c
    if weight_ih_back is None or weight_hh_back is None:
        raise ComputeError("takes weight_ih_back and weight_hh_back when it is bidirectional.")
    h_0, c_0 = _checked(initial_h, x, 2 * size), _checked(initial_c, x, 2 * size)
    forward = _lstm(
        x, h_0[:, :size], c_0[:, :size], (weight_ih, weight_hh, bias, peephole), acts, "forward", clip
    )
    backward_weights = (weight_ih_back, weight_hh_back, bias_back, peephole_back)
    backward = _lstm(x, h_0[:, size:], c_0[:, size:], backward_weights, acts, "reverse", clip)
    sequences = [
        _sequence(forward[0], output_sequence),
        _sequence(backward[0][::-1] if output_sequence else backward[0], output_sequence),
    ]
    return (
        np.concatenate(sequences, axis=-1),
        np.concatenate([forward[1], backward[1]], axis=-1),
        np.concatenate([forward[2], backward[2]], axis=-1),
    )


_Weights = tuple[Array, Array, Array | None, Array | None]
_Activations = tuple[Callable[[Array], Array], Callable[[Array], Array], Callable[[Array], Array]]


def _lstm(
    x: Array, h: Array, c: Array, weights: _Weights, acts: _Activations, direction: str, clip: Array | None
) -> tuple[list[Array], Array, Array]:
    """One direction: the states in the order they were computed, and the last state and cell."""
    weight_ih, weight_hh, bias, peephole = weights
    gate, cell, act = acts
    given = _projected(x, weight_ih, bias)
    size = weight_hh.shape[1]
    p_i, p_f, p_o = np.zeros((3, size), np.float32) if peephole is None else peephole.reshape(3, size)
    states = []
    for t in _order(direction, len(x)):
        i, f, o, z = np.split(given[t] + h @ weight_hh.T, 4, axis=-1)
        c = gate(f + p_f * c) * c + gate(i + p_i * c) * cell(z)
        if clip is not None:
            c = np.clip(c, -clip, clip)
        h = gate(o + p_o * c) * act(c)
        states.append(h)
    return states, h, c


def _projected(x: Array, weight: Array, bias: Array | None) -> Array:
    """What the input gives to every gate at every time."""
    if x.ndim != 3:
        raise ComputeError(f"takes x of (time, batch, features). Received: {x.shape}")
    product: Array = np.matmul(x, weight.T)
    return product if bias is None else product + bias


def _checked(initial: Array, x: Array, size: int) -> Array:
    if initial.shape != (x.shape[1], size):
        raise ComputeError(f"starts from states of shape {(x.shape[1], size)}. Received: {initial.shape}")
    return initial


def _order(direction: str, steps: int) -> range:
    if steps < 1:
        raise ComputeError("takes at least one step of time. Received: none")
    return range(steps - 1, -1, -1) if direction == "reverse" else range(steps)


def _sequence(states: list[Array], whole: Any) -> Array:
    """All states as they stand, or the last one."""
    return np.stack(states) if whole else states[-1][None]


def _activation(name: str) -> Callable[[Array], Array]:
    key = name.lower()
    if key not in RECURRENT:
        raise ComputeError(f"has activations {', '.join(RECURRENT)}. Received: {name!r}")
    return RECURRENT[key]
