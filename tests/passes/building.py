"""Small graphs in few words, and what is asked of them after a pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from kexport.ir import Array, Builder, Graph, Shape, TensorType, Value, symbol
from kexport.ir.evaluate import evaluate
from kexport.passes import Pass, run_passes

BATCH = symbol("batch")


class Net:
    """A graph under construction; its constants are random, the same ones every time."""

    def __init__(self, *shape: Any, data_format: str = "channels_last") -> None:
        self.builder = Builder()
        self.random = np.random.default_rng(7)
        self.data_format = data_format
        self.inputs = [self.builder.input("x", TensorType("float32", shape))]
        self.layers: dict[str, Value] = {}

    @property
    def x(self) -> Value:
        return self.inputs[0]

    def input(self, *shape: Any) -> Value:
        self.inputs.append(self.builder.input("x", TensorType("float32", shape)))
        return self.inputs[-1]

    def weights(self, *shape: int) -> Value:
        return self.builder.constant(
            self.random.uniform(0.5, 1.5, shape) * self.random.choice([-1, 1], shape), "float32"
        )

    def number(self, number: float) -> Value:
        return self.builder.constant(number, "float32")

    def op(self, op: str, *inputs: Value | None, **attrs: Any) -> Value:
        return self.builder.op(op, *inputs, **attrs)

    def channels(self, x: Value) -> int:
        return int(str(x.shape[1 if self.data_format == "channels_first" else -1]))

    def conv(
        self,
        x: Value,
        out: int,
        window: int = 3,
        *,
        stride: int = 1,
        padding: Any = "same",
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
        op: str = "conv",
    ) -> Value:
        rank = x.rank - 2
        size = self.channels(x)
        shapes = {
            "conv": (size // groups, out),
            "depthwise_conv": (size, out // size),
            "conv_transpose": (out, size),
        }
        kernel = self.weights(*(window,) * rank, *shapes[op])
        attrs: dict[str, Any] = {"strides": (stride,) * rank, "dilations": (dilation,) * rank}
        attrs["data_format"] = self.data_format
        attrs["crops" if op == "conv_transpose" else "padding"] = (
            ((0, 0),) * rank if padding == "valid" else padding
        )
        if op == "conv":
            attrs["groups"] = groups
        self.builder.origin = f"conv{len(self.builder.nodes)}"
        made = self.op(op, x, kernel, self.weights(out) if bias else None, **attrs)
        self.builder.origin = ""
        return made

    def pool(
        self, x: Value, kind: str = "max_pool", window: int = 2, *, stride: int = 2, padding: Any = "valid"
    ) -> Value:
        rank = x.rank - 2
        pads = ((0, 0),) * rank if padding == "valid" else padding
        attrs = {"window": (window,) * rank, "strides": (stride,) * rank, "padding": pads}
        return self.op(kind, x, **attrs, data_format=self.data_format)

    def per_channel(self, x: Value, *, positive: bool = False) -> Value:
        tail = (1,) * (x.rank - 2) if self.data_format == "channels_first" else ()
        value = self.weights(self.channels(x), *tail)
        if positive:
            assert value.constant is not None
            value = self.builder.constant(np.abs(value.constant.numpy()), "float32")
        return value

    def norm(self, x: Value, *, positive: bool = False) -> Value:
        """A batch normalization: a scale and a shift a channel."""
        scaled = self.op("mul", x, self.per_channel(x, positive=positive))
        return self.op("add", scaled, self.per_channel(x))

    def dense(self, x: Value, out: int, *, bias: bool = True) -> Value:
        size = int(str(x.shape[-1]))
        return self.op("dense", x, self.weights(size, out), self.weights(out) if bias else None)

    def flatten(self, x: Value) -> Value:
        size = int(np.prod([int(str(dim)) for dim in x.shape[1:]]))
        return self.op("reshape", x, shape=(x.shape[0], size))

    def graph(self, *outputs: Value) -> Graph:
        names = [f"out{i}" for i in range(len(outputs))]
        inputs = [value.name for value in self.inputs]
        graph = Graph("net", self.inputs, list(outputs), self.builder.nodes, inputs, names, dict(self.layers))
        graph.check()
        return graph


def arrays_for(graph: Graph, *, batch: int = 2, length: int = 9) -> list[Array]:
    """Random inputs, other symbols than the batch being ``length``."""
    random = np.random.default_rng(3)

    def size(shape: Shape, axis: int) -> int:
        dim = shape[axis]
        return dim if isinstance(dim, int) else batch if str(dim) == "batch" else length

    shapes = [tuple(size(value.shape, axis) for axis in range(value.rank)) for value in graph.inputs]
    return [random.uniform(-1, 1, shape).astype("float32") for shape in shapes]


def apply(graph: Graph, *passes: Pass, length: int = 9) -> Graph:
    """The graph after the passes, having computed the same before and after, to float32's rounding."""
    arrays = arrays_for(graph, length=length)
    before = evaluate(graph, arrays)
    run_passes(graph, passes)
    graph.check()
    for wanted, got in zip(before, evaluate(graph, arrays), strict=True):
        assert got.shape == wanted.shape
        scale = max(1e-3, float(np.abs(wanted).max(initial=0)))
        np.testing.assert_allclose(got, wanted, rtol=0, atol=2e-6 * scale)
    return graph


def ops(graph: Graph) -> list[str]:
    """The ops, in order."""
    return [node.op for node in graph.nodes]


def counts(graph: Graph) -> Counter[str]:
    """How often each op stands."""
    return Counter(ops(graph))


def constant_bytes(values: Sequence[Value]) -> int:
    """Bytes of the constants among ``values`` that are held in memory."""
    return sum(v.constant.nbytes for v in values if v.constant is not None and not v.constant.is_lazy)
