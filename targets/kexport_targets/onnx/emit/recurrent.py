"""Recurrent layers that ONNX has an operator for, and loops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from kexport.ir import Array, Node
from kexport.ir.ops.recurrent import layer_inputs
from kexport_targets.onnx.emit.emitter import Emitter, emits
from kexport_targets.onnx.emit.recurrent_activations import Activation, activation_of

OPERATORS: Final = {"lstm": "LSTM", "gru": "GRU", "simple_rnn": "RNN"}

#: The positions of ONNX's gates among Keras's: i, o, f, c of i, f, c, o; z, r, h are the same.
_GATES: Final = {"lstm": (0, 3, 1, 2), "gru": (0, 1, 2), "simple_rnn": (0,)}


def is_native(node: Node) -> bool:
    """Whether the operator computes what the node does: no mask, and activations that it knows."""
    _, mask, _ = layer_inputs(node.inputs)
    found = [node.attrs[key] for key in ("activation", "recurrent_activation") if key in node.attrs]
    return mask is None and None not in map(activation_of, found)


@emits(*OPERATORS)
def recurrent(e: Emitter, node: Node) -> None:
    """LSTM, GRU, RNN: (time, batch, features) to (time, 1, batch, units); one direction."""
    x, units = node.input(0), int(str(node.input(2).shape[0]))
    _, _, states = layer_inputs(node.inputs)
    sequence = e.op("Transpose", [x], perm=[1, 0, 2])
    initial = [e.op("Unsqueeze", [state, e.ints([0])]) for state in states]
    more: dict[str, Any] = {"linear_before_reset": int(node.attrs["reset_after"])} if node.op == "gru" else {}
    stem = e.name(node.outputs[0])
    outputs = [f"{stem}/sequence", *(f"{stem}/state{index}" for index in range(len(node.outputs) - 2))]
    e.op(
        OPERATORS[node.op],
        [sequence, _kernel(e, node, 1), _kernel(e, node, 2), _bias(e, node, units), None, *initial],
        outputs,
        **_activations(node),
        direction="reverse" if node.attrs["go_backwards"] else "forward",
        hidden_size=units,
        **more,
    )
    _outputs(e, node, outputs)


def _activations(node: Node) -> dict[str, Any]:
    """The attributes that say them: those of gates first, and in lists of their own the numbers of those that have any."""
    keys = {
        "simple_rnn": ("activation",),
        "gru": ("recurrent_activation", "activation"),
        "lstm": ("recurrent_activation", "activation", "activation"),
    }[node.op]
    found: list[Activation] = []
    for key in keys:
        activation = activation_of(node.attrs[key])
        assert activation is not None
        found.append(activation)
    alphas = [item.alpha for item in found if item.alpha is not None]
    betas = [item.beta for item in found if item.beta is not None]
    return {
        "activations": [item.name for item in found],
        **({"activation_alpha": alphas} if alphas else {}),
        **({"activation_beta": betas} if betas else {}),
    }


def _outputs(e: Emitter, node: Node, made: Sequence[str]) -> None:
    """The operator's outputs as the graph has them; a reversed sequence is in the input's order there."""
    flat = e.op("Squeeze", [made[0], e.ints([1])])
    if node.attrs["go_backwards"]:
        flat = e.op(
            "Slice", [flat, e.ints([-1]), e.ints([np.iinfo(np.int64).min]), e.ints([0]), e.ints([-1])]
        )
    e.op("Transpose", [flat], [node.outputs[0]], perm=[1, 0, 2])
    for state, value in zip(made[1:], node.outputs[2:], strict=True):
        e.op("Squeeze", [state, e.ints([0])], [value])
    e.op("Squeeze", [made[1], e.ints([0])], [node.outputs[1]])


def _in_order(array: Array, gates: Sequence[int], count: int) -> Array:
    parts = np.split(array, count, axis=-1)
    return np.concatenate([parts[gate] for gate in gates], axis=-1)


def _kernel(e: Emitter, node: Node, index: int) -> str:
    """A kernel (in, gates * units) as (1, gates * units, in)."""
    kernel, gates = node.input(index), _GATES[node.op]
    rows, columns = (int(str(dim)) for dim in kernel.shape)
    return e.weight(kernel, lambda w: _in_order(w, gates, len(gates)).T[None], (1, columns, rows))


def _bias(e: Emitter, node: Node, units: int) -> str | None:
    """The bias of the input and that of the state, one after the other: (1, 2 * gates * units)."""
    bias, gates = layer_inputs(node.inputs)[0], _GATES[node.op]
    if bias is None:
        return None
    assert bias.constant is not None

    def change(b: Array) -> Array:
        both = b if b.ndim == 2 else np.stack([b, np.zeros_like(b)])
        return np.concatenate([_in_order(row, gates, len(gates)) for row in both])[None]

    return e.weight(bias, change, (1, 2 * len(gates) * units))


@emits("scan")
def scan(e: Emitter, node: Node) -> None:
    """Scan, whose states come first, in its inputs and its body's."""
    count, states = node.attrs["sequences"], node.attrs["states"]
    body = node.attrs["body"]
    inner = e.nested(body)
    sequences, before, captured = (
        body.inputs[:count],
        body.inputs[count : count + states],
        body.inputs[count + states :],
    )
    for value, outer in zip(captured, node.inputs[count + states :], strict=True):
        inner.claim(value, e.name(outer))
    inner.body.inputs = [(inner.name(value), value) for value in (*before, *sequences)]
    for part in body.nodes:
        inner.emit(part)
    split = len(body.outputs) - states
    after, steps = body.outputs[split:], body.outputs[:split]
    # An output of a body is computed in it, and once.
    inner.body.outputs = [(inner.op("Identity", [value], hint="result"), value) for value in (*after, *steps)]
    outer_steps, outer_after = node.outputs[:split], node.outputs[split:]
    e.op(
        "Scan",
        [*node.inputs[count : count + states], *node.inputs[:count]],
        [*outer_after, *outer_steps],
        body=inner.body,
        num_scan_inputs=count,
    )
