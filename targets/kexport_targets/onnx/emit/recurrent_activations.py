"""The activations that recurrent operators know by name, with their two numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from kexport.ir import Graph, Node, Value
from kexport.ir.ops.recurrent import activation_op

#: Graph op → the name of the same function.
_NAMES: Final = {
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
    "relu": "Relu",
    "softplus": "Softplus",
    "elu": "Elu",
    "leaky_relu": "LeakyRelu",
}


@dataclass(frozen=True)
class Activation:
    """A function of the operators LSTM, GRU and RNN; ``alpha`` and ``beta`` where it has them."""

    name: str
    alpha: float | None = None
    beta: float | None = None


def activation_of(graph: Graph) -> Activation | None:
    """What an activation is called; None where the operators know no such function."""
    op = activation_op(graph)
    if op == "linear":
        return Activation("Affine", 1.0, 0.0)
    if op in _NAMES:
        alpha = graph.nodes[0].attrs.get("alpha")
        return Activation(_NAMES[op], None if alpha is None else float(alpha))
    return _hard_sigmoid(graph) or _softsign(graph)


def _hard_sigmoid(graph: Graph) -> Activation | None:
    """``clip(alpha x + beta, 0, 1)``, however it came about: Keras's is ``relu6(x + 3) / 6``, before Keras 3 ``clip(0.2 x + 0.5, 0, 1)``."""
    value, scale, shift, low, high = graph.inputs[0], 1.0, 0.0, -math.inf, math.inf
    for node in graph.nodes:
        if node.inputs[0] is not value or node.attrs.get("activation", "none") != "none":
            return None
        if node.op in ("relu", "relu6", "clip"):
            least, most = _bounds(node)
            low, high = min(max(low, least), most), min(max(high, least), most)
        elif (number := _number(node)) is None or (node.op == "mul" and number <= 0):
            return None
        elif node.op == "mul":
            scale, shift, low, high = scale * number, shift * number, low * number, high * number
        else:
            shift, low, high = shift + number, low + number, high + number
        value = node.output
    found = value is graph.outputs[0] and np.allclose((low, high), (0, 1), rtol=0, atol=1e-6)
    return Activation("HardSigmoid", scale, shift) if found else None


def _bounds(node: Node) -> tuple[float, float]:
    known = {"relu": (0.0, math.inf), "relu6": (0.0, 6.0)}
    return known[node.op] if node.op in known else (float(node.attrs["min"]), float(node.attrs["max"]))


def _number(node: Node) -> float | None:
    """What a product or a sum is made with; None for other ops."""
    operand: Value | None = node.inputs[1] if node.op in ("mul", "add") else None
    if operand is None or operand.constant is None or operand.constant.size != 1:
        return None
    return float(operand.constant.numpy().reshape(()))


def _softsign(graph: Graph) -> Activation | None:
    """``x / (|x| + 1)``."""
    (x,), nodes = graph.inputs, graph.nodes
    if [node.op for node in nodes] != ["abs", "add", "div"]:
        return None
    size, plus, ratio = nodes
    chained = size.inputs == [x] and plus.inputs[0] is size.output and ratio.inputs == [x, plus.output]
    found = chained and _number(plus) == 1 and ratio.output is graph.outputs[0]
    return Activation("Softsign") if found else None
