"""Random graphs of the kind that image and sequence models lower to, for checking that passes keep the numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import strategies as st

from kexport.ir import Array, Builder, Dim, Graph, TensorType, Value, symbol
from kexport.ir.dims import is_static

#: Double precision, so that what a pass gets wrong stands out from rounding.
DTYPE = "float64"


class GraphMaker:
    """Draws nodes onto the values it has, all of them of three or four dimensions until the end."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.random = np.random.default_rng(draw(st.integers(0, 2**16)))
        self.builder = Builder()
        self.inputs: list[Value] = []
        self.values: list[Value] = []

    def constant(self, *shape: int) -> Value:
        return self.builder.constant(
            self.random.uniform(0.5, 1.5, shape) * self.random.choice([-1, 1], shape), DTYPE
        )

    def channels(self, x: Value, data_format: str) -> int:
        size = x.shape[1 if data_format == "channels_first" else -1]
        return size if isinstance(size, int) else 0

    def pick(self) -> Value:
        """Recent values more often: chains as well as joins."""
        index = self.draw(st.integers(0, min(len(self.values), 4) - 1))
        return self.values[-1 - index]

    def format_for(self, x: Value) -> str:
        formats = [f for f in ("channels_last", "channels_first") if self.channels(x, f)]
        return self.draw(st.sampled_from(formats)) if formats else ""

    def add(self, x: Value) -> None:
        self.values.append(x)


def _spatial(x: Value) -> int:
    return x.rank - 2


def conv(make: GraphMaker) -> None:
    x = make.pick()
    data_format = make.format_for(x)
    if not data_format:
        return
    rank, size = _spatial(x), make.channels(x, data_format)
    kind = make.draw(st.sampled_from(["conv", "conv", "depthwise_conv", "grouped"]))
    window = tuple(make.draw(st.integers(1, 2)) for _ in range(rank))
    padding = make.draw(st.sampled_from(["same", ((1, 1),) * rank, ((0, 1),) * rank, ((0, 0),) * rank]))
    if padding == ((0, 0),) * rank and max(window) > 1 and not _large_enough(x, data_format):
        padding = "same"
    attrs = {"strides": (1,) * rank, "padding": padding, "dilations": (1,) * rank, "data_format": data_format}
    if kind == "depthwise_conv":
        multiplier = make.draw(st.integers(1, 2))
        kernel, out = make.constant(*window, size, multiplier), size * multiplier
    else:
        groups = 2 if kind == "grouped" and size % 2 == 0 else 1
        out = 2 * make.draw(st.integers(1, 2))
        kernel = make.constant(*window, size // groups, out)
        attrs["groups"], kind = groups, "conv"
    bias = make.constant(out) if make.draw(st.booleans()) else None
    make.add(_tamed(make, make.builder.op(kind, x, kernel, bias, **attrs)))


def _tamed(make: GraphMaker, x: Value) -> Value:
    """``x`` small enough that depth does not blow numbers up."""
    return make.builder.op("mul", x, make.builder.constant(0.25, DTYPE)) if make.draw(st.booleans()) else x


def _large_enough(x: Value, data_format: str) -> bool:
    spatial = x.shape[2:] if data_format == "channels_first" else x.shape[1:-1]
    return is_static(spatial) and min(int(str(dim)) for dim in spatial) > 2


def transposed_conv(make: GraphMaker) -> None:
    x = make.pick()
    data_format = make.format_for(x)
    if not data_format:
        return
    rank, size = _spatial(x), make.channels(x, data_format)
    kernel = make.constant(*(2,) * rank, 2, size)
    strides = (make.draw(st.integers(1, 2)),) * rank
    attrs = {
        "strides": strides,
        "crops": ((0, 1),) * rank,
        "dilations": (1,) * rank,
        "data_format": data_format,
    }
    make.add(_tamed(make, make.builder.op("conv_transpose", x, kernel, make.constant(2), **attrs)))


def pool(make: GraphMaker) -> None:
    x = make.pick()
    data_format = make.format_for(x)
    if not data_format:
        return
    rank = _spatial(x)
    attrs = {"window": (2,) * rank, "strides": (1,) * rank, "padding": "same", "data_format": data_format}
    op = make.draw(st.sampled_from(["max_pool", "avg_pool"]))
    if op == "avg_pool":
        attrs["count_include_pad"] = make.draw(st.booleans())
    make.add(make.builder.op(op, x, **attrs))


def scale_shift(make: GraphMaker) -> None:
    """Batch normalization, or a part of it, along a random axis of known length."""
    x = make.pick()
    axes = [axis for axis in range(1, x.rank) if isinstance(x.shape[axis], int)]
    if not axes:
        return
    axis = make.draw(st.sampled_from(axes))
    shape = (int(str(x.shape[axis])), *[1] * (x.rank - 1 - axis))
    for op in make.draw(st.lists(st.sampled_from(["mul", "add", "sub", "div"]), min_size=1, max_size=3)):
        operand = make.constant(*shape) if make.draw(st.booleans()) else make.constant()
        x = make.builder.op(op, x, operand)
    make.add(x)


def unary(make: GraphMaker) -> None:
    op = make.draw(st.sampled_from(["relu", "relu", "relu6", "tanh", "sigmoid", "clip", "identity"]))
    attrs = {"min": 0.0, "max": 6.0} if op == "clip" else {}
    make.add(make.builder.op(op, make.pick(), **attrs))


def join(make: GraphMaker) -> None:
    x = make.pick()
    partners = [v for v in make.values[-6:] if v.shape == x.shape]
    other = make.draw(st.sampled_from(partners))
    if make.draw(st.booleans()):
        make.add(make.builder.op(make.draw(st.sampled_from(["add", "maximum", "sub"])), x, other))
    else:
        make.add(make.builder.op("concat", x, other, axis=make.draw(st.integers(1, x.rank - 1))))


def pad(make: GraphMaker) -> None:
    x = make.pick()
    pads = tuple(
        (0, 0) if axis == 0 else make.draw(st.sampled_from([(0, 0), (0, 1), (1, 1)]))
        for axis in range(x.rank)
    )
    make.add(make.builder.op("pad", x, pads=pads))


def cut(make: GraphMaker) -> None:
    x = make.pick()
    wide = [axis for axis in range(1, x.rank) if isinstance(dim := x.shape[axis], int) and dim > 2]
    if not wide:
        return
    axis = make.draw(st.sampled_from(wide))
    begin = tuple(1 if i == axis else 0 for i in range(x.rank))
    end = tuple(-1 if i == axis and make.draw(st.booleans()) else None for i in range(x.rank))
    make.add(make.builder.op("slice", x, begin=begin, end=end, strides=(1,) * x.rank))


def turn(make: GraphMaker) -> None:
    x = make.pick()
    make.add(make.builder.op("transpose", x, perm=(0, *make.draw(st.permutations(range(1, x.rank))))))


def unit(make: GraphMaker) -> None:
    """A dimension of 1 put in, or taken out."""
    x = make.pick()
    ones = [axis for axis, dim in enumerate(x.shape) if dim == 1 and axis]
    if ones and x.rank > 3:
        make.add(make.builder.op("squeeze", x, axes=(make.draw(st.sampled_from(ones)),)))
    elif x.rank == 3:
        make.add(make.builder.op("expand_dims", x, axes=(make.draw(st.integers(1, 3)),)))


def gate(make: GraphMaker) -> None:
    """Squeeze and excite: a mean over all but one axis scales it."""
    x = make.pick()
    axes = [axis for axis in range(1, x.rank) if isinstance(x.shape[axis], int)]
    if not axes:
        return
    axis = make.draw(st.sampled_from(axes))
    size = int(str(x.shape[axis]))
    mean = make.builder.op("reduce_mean", x, axes=tuple(a for a in range(1, x.rank) if a != axis))
    dense = make.builder.op("dense", mean, make.constant(size, size), make.constant(size))
    shape = (x.shape[0], *(size if a == axis else 1 for a in range(1, x.rank)))
    make.add(
        make.builder.op("mul", x, make.builder.op("reshape", make.builder.op("sigmoid", dense), shape=shape))
    )


def softmax(make: GraphMaker) -> None:
    x = make.pick()
    make.add(make.builder.op("softmax", x, axis=make.draw(st.integers(1, x.rank - 1))))


def norm(make: GraphMaker) -> None:
    x = make.pick()
    size = x.shape[-1]
    if isinstance(size, int):
        scale, offset = make.constant(size), make.constant(size)
        make.add(make.builder.op("layer_norm", x, scale, offset, axes=(x.rank - 1,), epsilon=1e-3))


def merge_axes(make: GraphMaker) -> None:
    """Two neighbouring axes become one, and a fourth dimension of 1 (or nothing) keeps the rank."""
    x = make.pick()
    axis = make.draw(st.integers(1, x.rank - 2))
    pair = x.shape[axis : axis + 2]
    if is_static(pair):
        merged: Dim = int(str(pair[0])) * int(str(pair[1]))
        shape = (*x.shape[:axis], merged, *x.shape[axis + 2 :])
        shape = shape if len(shape) > 2 else (*shape, 1)
        make.add(make.builder.op("reshape", x, shape=shape))


STEPS: list[Callable[[GraphMaker], None]] = [
    conv, conv, conv, transposed_conv, pool, scale_shift, scale_shift, unary, unary, join, join, pad, cut, turn, unit,
    gate, softmax, norm, merge_axes,
]  # fmt: skip


def _head(make: GraphMaker, x: Value) -> Value:
    """A flatten and a dense layer where the sizes are known; often something per feature in between."""
    if not is_static(x.shape[1:]):
        return x
    features = int(np.prod([int(str(dim)) for dim in x.shape[1:]]))
    flat = make.builder.op("reshape", x, shape=(x.shape[0], features))
    if make.draw(st.booleans()):
        flat = make.builder.op("relu", make.builder.op("mul", flat, make.constant(features)))
    return make.builder.op("dense", flat, make.constant(features, 3), make.constant(3))


@st.composite
def graphs(draw: st.DrawFn) -> tuple[Graph, list[Array]]:
    """A graph that is well formed, and an input for it."""
    make = GraphMaker(draw)
    rank = draw(st.sampled_from([3, 4]))
    data_format = draw(st.sampled_from(["channels_last", "channels_first"]))
    sizes = (5,) if rank == 3 else (4, 5)
    dynamic = draw(st.booleans())
    known: tuple[Dim, ...] = tuple(symbol(f"length{i}") for i in range(rank - 2)) if dynamic else sizes
    batch: Dim = draw(st.sampled_from([1, symbol("batch")]))
    shape = (batch, 2, *known) if data_format == "channels_first" else (batch, *known, 2)
    make.inputs.append(make.builder.input("x", TensorType(DTYPE, shape)))
    make.values.append(make.inputs[0])
    for step in draw(st.lists(st.sampled_from(STEPS), min_size=1, max_size=9)):
        step(make)
    outputs = [make.values[-1]]
    if draw(st.booleans()):
        outputs.append(make.pick())
    if draw(st.booleans()):
        outputs[0] = _head(make, outputs[0])
    names = [f"out{i}" for i in range(len(outputs))]
    layers = {f"layer{i}": value for i, value in enumerate(make.values)}
    graph = Graph("random", make.inputs, outputs, make.builder.nodes, ["x"], names, layers)
    graph.check()
    real = (2, 2, *sizes) if data_format == "channels_first" else (2, *sizes, 2)
    real = real if isinstance(batch, int) is False else (1, *real[1:])
    return graph, [make.random.uniform(-1, 1, real)]
