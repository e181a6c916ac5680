"""The builtin LSTM.

Its kernel goes on, at each invocation, from the states that the one before left in two variable tensors; a model computes the same for the
same input whatever it was given before. So an operator before it puts the initial states there. (To let a first step forget them would not
do: a NaN or an infinity in a state outlives being multiplied by 0.) That the tensors are an operator's output orders the two, in the
interpreter's plan and in what a delegate takes over (LiteRT tflite/graph_info.cc, commit f67457790c9c: a tensor that is some operator's
output is not ready before it). Zeros are made of the input, x[0, 0, 0] < x[0, 0, 0], for runtimes compute what has constant inputs when
they load a file, and not again.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kexport.ir import Array, Constant, Node, TensorType, Value
from kexport.ir.ops.recurrent import activation_op, layer_inputs
from kexport_targets.tflite import schema
from kexport_targets.tflite.emit.emitter import Emitter, emits
from kexport_targets.tflite.emit.lengths import shape_vector

_GATES = 4


@emits("lstm")
def lstm(e: Emitter, node: Node) -> None:
    """UNIDIRECTIONAL_SEQUENCE_LSTM: input, 4 kernels, 4 recurrent kernels, 3 peepholes, 4 biases, projection and its bias, output and
    cell state, 4 layer normalizations (LiteRT tflite/kernels/lstm_shared.h, commit f67457790c9c); gates are i, f, c, o, as Keras's."""
    bias, _, states = layer_inputs(node.inputs)
    units = node.outputs[1].shape[1]
    assert isinstance(units, int)
    biases = _columns(e, bias, units) if bias is not None else [_no_bias(e, units)] * _GATES
    x = node.input(0)
    initial: list[Value | int] = [*states] or [_zero(e, x)] * 2
    tensors: list[Value | int | None] = [
        x,
        *_columns(e, node.input(1), units),
        *_columns(e, node.input(2), units),
        *[None] * 3,
        *biases,
        *[None] * 2,
        *(_state(e, value, node.outputs[1].type) for value in initial),
        *[None] * 4,
    ]
    activation = schema.ACTIVATIONS[str(activation_op(node.attrs["activation"]))]
    e.op(
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
        tensors,
        [node.outputs[0]],
        "UnidirectionalSequenceLSTMOptions",
        activation=activation,
    )


def _columns(e: Emitter, weights: Value, units: int) -> list[int]:
    """Each gate's part of the last dimension; of a matrix, turned round."""
    assert weights.constant is not None
    shape = (units,) if weights.rank == 1 else (units, weights.constant.shape[0])

    def part(gate: int) -> int:
        def change(array: Array) -> Array:
            return np.ascontiguousarray(array[..., gate * units : (gate + 1) * units].T)

        return e.weight(weights, change, shape)

    return [part(gate) for gate in range(_GATES)]


def _no_bias(e: Emitter, units: int) -> int:
    return e.constant(Constant.of(np.zeros(units, np.float32)), "no_bias")


def _state(e: Emitter, initial: Value | int, wanted: TensorType) -> int:
    """A variable tensor that holds ``initial`` when the kernel runs."""
    state = e.scratch("state", wanted)
    e.subgraph.tensors[state] = replace(e.subgraph.tensors[state], variable=True)
    e.op("BROADCAST_TO", [initial, shape_vector(e, wanted.shape)], [state], "BroadcastToOptions", version=2)
    return state


def _zero(e: Emitter, x: Value) -> int:
    """A number that is 0 whatever ``x`` holds."""
    first = e.scratch("first", TensorType(x.dtype, ()))
    bounds = [e.ints([number] * x.rank, "bound") for number in (0, 1, 1)]
    every = 2**x.rank - 1
    e.op("STRIDED_SLICE", [x, *bounds], [first], "StridedSliceOptions", shrink_axis_mask=every)
    less = e.scratch("less", TensorType("bool", ()))
    e.op("LESS", [first, first], [less], "LessOptions")
    zero = e.scratch("zero", TensorType(x.dtype, ()))
    kinds = {"in_data_type": schema.TENSOR_TYPES["bool"], "out_data_type": schema.TENSOR_TYPES[x.dtype]}
    e.op("CAST", [less], [zero], "CastOptions", **kinds)
    return zero
