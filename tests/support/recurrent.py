"""Recurrent ops with drawn arguments, for tests of what is made of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from kexport.ir import Builder, Graph, TensorType, Value
from kexport.ir.ops.recurrent import LAYOUTS
from support.graphs import graph_of


def _hard_sigmoid(b: Builder, x: Value) -> Value:
    return b.op("mul", b.op("relu6", b.op("add", x, b.scalar(3.0, x))), b.scalar(1 / 6, x))


def _hard_sigmoid_before_keras3(b: Builder, x: Value) -> Value:
    return b.op("clip", b.op("add", b.op("mul", x, b.scalar(0.2, x)), b.scalar(0.5, x)), min=0.0, max=1.0)


def _softsign(b: Builder, x: Value) -> Value:
    return b.op("div", x, b.op("add", b.op("abs", x), b.scalar(1.0, x)))


#: Activations that are no op of the graph, or one with an argument, as they are lowered.
ACTIVATIONS: dict[str, Callable[[Builder, Value], Value]] = {
    "linear": lambda _, x: x,
    "leaky_relu": lambda b, x: b.op("leaky_relu", x, alpha=0.3),
    "elu of 0.5": lambda b, x: b.op("elu", x, alpha=0.5),
    "hard_sigmoid": _hard_sigmoid,
    "hard_sigmoid before Keras 3": _hard_sigmoid_before_keras3,
    "softsign": _softsign,
}


@dataclass(frozen=True)
class Drawn:
    """An op's arguments. ``activations``: IR ops, or names of :data:`ACTIVATIONS`."""

    op: str
    batch: int
    time: int
    features: int
    units: int
    activations: tuple[str, str]
    bias: bool
    go_backwards: bool
    mask: bool
    zero_output_for_mask: bool
    states: bool
    reset_after: bool

    def types(self, batch: Any = None, time: Any = None) -> dict[str, TensorType]:
        """The graph's inputs, their lengths open where symbols are given."""
        batch, time = batch or self.batch, time or self.time
        types = {"x": TensorType("float32", (batch, time, self.features))}
        if self.mask:
            types["mask"] = TensorType("bool", (batch, time))
        if self.states:
            types |= {
                f"s{i}": TensorType("float32", (batch, self.units)) for i in range(LAYOUTS[self.op].states)
            }
        return types

    def graph(self, batch: Any = None, time: Any = None) -> Graph:
        """The op alone; its outputs are ``y0``, ``y1``, …."""
        return graph_of(self.types(batch, time), self._body)

    def _body(self, b: Builder, x: Value, *rest: Value) -> dict[str, Value]:
        width, rng = LAYOUTS[self.op].gates * self.units, np.random.default_rng(3)
        shape = (2, width) if self.reset_after and self.op == "gru" else (width,)
        kernel, recurrent, bias = (
            b.constant(rng.normal(0, 0.7, dims).astype("f4"))
            for dims in ((self.features, width), (self.units, width), shape)
        )
        given = list(rest)
        mask = given.pop(0) if self.mask else None
        attrs: dict[str, Any] = {
            "go_backwards": self.go_backwards,
            "zero_output_for_mask": self.zero_output_for_mask,
        }
        attrs["activation"] = self._activation(self.activations[0], "activation")
        if self.op != "simple_rnn":
            attrs["recurrent_activation"] = self._activation(self.activations[1], "gate")
        if self.op == "gru":
            attrs["reset_after"] = self.reset_after
        made = b.ops(self.op, x, kernel, recurrent, bias if self.bias else None, mask, *given, **attrs)
        return {f"y{index}": value for index, value in enumerate(made)}

    def _activation(self, name: str, place: str) -> Graph:
        b = Builder(origin=place)  # so that no two values of the whole graph are called alike
        x = b.input("gate", TensorType("float32", (self.batch, self.units)))
        y = ACTIVATIONS[name](b, x) if name in ACTIVATIONS else b.op(name, x)
        return Graph(name, [x], [y], b.nodes, ["x"], ["y"])

    def inputs(self, seed: int = 5) -> dict[str, Any]:
        """Arrays for the graph's inputs."""
        rng = np.random.default_rng(seed)
        arrays: dict[str, Any] = {}
        for name, wanted in self.types().items():
            drawn = rng.normal(0, 1.5, wanted.shape).astype("f4")
            arrays[name] = drawn > -0.5 if wanted.dtype == "bool" else drawn
        return arrays


functions = st.sampled_from(["tanh", "sigmoid", "relu", "relu6", "softplus", *ACTIVATIONS])

#: Gates that are not bounded let the states grow beyond what float32 holds.
gates = st.sampled_from(["sigmoid", "tanh", "hard_sigmoid", "hard_sigmoid before Keras 3"])

drawn = st.builds(
    Drawn,
    st.sampled_from(sorted(LAYOUTS)),
    st.integers(1, 3),
    st.integers(1, 6),
    st.integers(1, 4),
    st.integers(1, 5),
    st.tuples(functions, gates),
    *[st.booleans()] * 6,
)
