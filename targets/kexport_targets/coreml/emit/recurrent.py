"""Recurrent layers that have an operation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from kexport.ir import Array, Node, Shape, Value
from kexport.ir.ops.recurrent import activation_op, layer_inputs
from kexport_targets.coreml.emit.emitter import Emitter, emits
from kexport_targets.coreml.emit.lengths import shape_vector
from kexport_targets.coreml.program import Tensor

#: Activations → what operations call them.
ACTIVATIONS: Final = {"tanh": "tanh", "sigmoid": "sigmoid", "relu": "relu", "linear": "linear"}

#: Keras's gates in the operation's order: of i, f, g, o the i, f, o, g; of z, r, g the r, g, z (coremltools 9.0,
#: converters/mil/mil/ops/defs/iOS15/recurrent.py; for ``gru``, whose text leaves it open, ops/tests/iOS14/test_recurrent.py).
_GATES: Final = {"lstm": (0, 1, 3, 2), "gru": (1, 2, 0), "simple_rnn": (0,)}

_OPERATIONS: Final = {"lstm": "lstm", "gru": "gru", "simple_rnn": "rnn"}


def is_native(node: Node) -> bool:
    """Whether an operation computes a recurrent layer: constant weights, known activations, no mask.

    ``gru`` resets the state before its product, and is said to compute the first of a batch alone (the same tests).
    """
    bias, mask, _ = layer_inputs(node.inputs)
    weights = (node.input(1), node.input(2), *([] if bias is None else [bias]))
    if mask is not None or node.input(0).dtype != "float32" or any(w.constant is None for w in weights):
        return False
    names = [
        activation_op(node.attrs[key]) for key in ("activation", "recurrent_activation") if key in node.attrs
    ]
    if node.op == "gru" and (node.attrs["reset_after"] or node.input(0).shape[0] != 1):
        return False
    return all(name in ACTIVATIONS for name in names)


@emits("lstm", "gru", "simple_rnn")
def recurrent(e: Emitter, node: Node) -> None:
    """The operation over (time, batch, features). What goes backwards is turned round before; its outputs are in that order."""
    x, units = node.input(0), int(str(node.input(2).shape[0]))
    batch, time, features = x.shape
    sequence = e.op("transpose", {"x": x, "perm": [1, 0, 2]}, dtype=x.dtype, shape=(time, batch, features))
    if node.attrs["go_backwards"]:
        sequence = e.op("reverse", {"x": sequence, "axes": [0]}, dtype=x.dtype, shape=sequence.shape)
    bias, _, states = layer_inputs(node.inputs)
    given = {
        "x": sequence,
        **_initial(e, node, states, (batch, units)),
        "weight_ih": _kernel(e, node, node.input(1)),
        "weight_hh": _kernel(e, node, node.input(2)),
        "bias": None if bias is None else _bias(e, node, bias),
        "direction": "forward",
        "output_sequence": True,
        **_activations(node),
    }
    made = e.new("sequence", x.dtype, (time, batch, units))
    last = e.tensor(node.outputs[2])
    e.ops(_OPERATIONS[node.op], given, [made, last, *node.outputs[3:]])
    e.bind(node.outputs[1], last)
    e.op("transpose", {"x": made, "perm": [1, 0, 2]}, node.outputs[0])


def _initial(e: Emitter, node: Node, states: Sequence[Value], shape: Shape) -> dict[str, Value | Tensor]:
    names = ("initial_h", "initial_c")[: 2 if node.op == "lstm" else 1]
    if states:
        return dict(zip(names, states, strict=True))
    zeros = filled(e, node.input(0).dtype, shape)
    return dict.fromkeys(names, zeros)


def filled(e: Emitter, dtype: str, shape: Shape) -> Tensor:
    """Zeros, made once in the outermost block."""
    given = {"shape": shape_vector(e, shape), "value": e.number(0, dtype)}
    root = e.root
    return root.once(("zeros", dtype, shape), lambda: root.op("fill", given, dtype=dtype, shape=shape))


def _in_order(array: Array, gates: Sequence[int]) -> Array:
    parts = np.split(array, len(gates), axis=-1)
    return np.concatenate([parts[gate] for gate in gates], axis=-1)


def _kernel(e: Emitter, node: Node, kernel: Value) -> Tensor:
    """A kernel (in, gates * units) as (gates * units, in)."""
    rows, columns = (int(str(dim)) for dim in kernel.shape)
    gates = _GATES[node.op]
    return e.weight(kernel, lambda w: _in_order(w, gates).T, (columns, rows))


def _bias(e: Emitter, node: Node, bias: Value) -> Tensor:
    gates = _GATES[node.op]
    return e.weight(bias, lambda b: _in_order(b, gates), bias.constant.shape if bias.constant else ())


def _activations(node: Node) -> dict[str, str]:
    """An LSTM calls Keras's ``activation`` twice: on the cell's gate and on the cell state."""
    own = ACTIVATIONS[activation_op(node.attrs["activation"]) or ""]
    found = {"activation": own}
    if node.op != "simple_rnn":
        gate = ACTIVATIONS[activation_op(node.attrs["recurrent_activation"]) or ""]
        found["recurrent_activation"] = gate
    return {**found, "cell_activation": own} if node.op == "lstm" else found
