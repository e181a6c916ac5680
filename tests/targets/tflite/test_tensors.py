"""Ops that cut, join, index, reduce and multiply tensors of any shape, lengths known and unknown, against NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kexport.ir import Array, Builder, Dim, Value, symbol
from support.graphs import graph_from
from targets.tflite.running import Model, check, emit

ACTIVATIONS = ("none", "relu", "relu6", "relu_n1_to_1")


def examples(count: int) -> Any:
    return settings(max_examples=count, derandomize=True, database=None)


class Tensor:
    """An input, some of its lengths unknown, and arrays for it of two sizes."""

    def __init__(
        self, draw: st.DrawFn, ranks: tuple[int, int] = (1, 5), least: int = 1, dtype: str = ""
    ) -> None:
        self.rank = draw(st.integers(*ranks))
        self.dtype = dtype or draw(st.sampled_from(["float32", "float32", "int32", "bool", "int64", "uint8"]))
        self.sizes = [draw(st.integers(least, least + 3)) for _ in range(self.rank)]
        self.random = np.random.default_rng(draw(st.integers(0, 999)))
        self.dynamic: dict[int, str] = {}
        if self.rank and draw(st.booleans()):
            self.dynamic[0] = "batch"
        if self.rank > 1 and draw(st.booleans()):
            self.dynamic[draw(st.integers(1, self.rank - 1))] = "time"

    @property
    def shape(self) -> tuple[Dim, ...]:
        return tuple(
            symbol(self.dynamic[axis]) if axis in self.dynamic else n for axis, n in enumerate(self.sizes)
        )

    @property
    def types(self) -> dict[str, Any]:
        return {"x": (self.dtype, self.shape)}

    def arrays(self) -> list[Array]:
        """One of the sizes; where lengths are unknown, another one of greater."""
        more = [0, 2] if self.dynamic else [0]
        return [
            self.array([n + extra * (axis in self.dynamic) for axis, n in enumerate(self.sizes)])
            for extra in more
        ]

    def array(self, shape: Sequence[int]) -> Array:
        return made(self.random, shape, self.dtype)


def made(random: np.random.Generator, shape: Sequence[int], dtype: str = "float32") -> Array:
    if dtype == "float32":
        return np.asarray(random.normal(size=shape), np.float32)
    return np.asarray(random.integers(0, 2 if dtype == "bool" else 9, shape), dtype)


def some_axes(draw: st.DrawFn, rank: int) -> tuple[int, ...]:
    return tuple(sorted(draw(st.sets(st.integers(0, rank - 1), min_size=1, max_size=rank))))


@st.composite
def slices(draw: st.DrawFn) -> tuple[Tensor, list[tuple[int, int | None, int]]]:
    x = Tensor(draw, ranks=(1, 6), least=2)
    rows: list[tuple[int, int | None, int]] = []
    for axis, size in enumerate(x.sizes):
        stride = draw(st.integers(1, 3))
        begin = draw(st.integers(0, size - 1))
        end = draw(st.one_of(st.none(), st.integers(begin + 1, size)))
        if draw(st.booleans()):
            begin -= size
        # An end beyond a known length is that length; a negative one of an unknown length is one of the greater too.
        if end is not None:
            end = end + 3 if draw(st.booleans()) and axis not in x.dynamic and end == size else end
            end = end - size if draw(st.booleans()) and 0 < end < size and begin >= 0 else end
        if axis in x.dynamic and begin < 0:
            end = None
        rows.append((begin, end, stride))
    return x, rows


@examples(150)
@given(slices())
def test_slices(case):
    x, rows = case
    begin, end, strides = zip(*rows, strict=True)
    body = lambda b, v: b.op("slice", v, begin=begin, end=end, strides=strides)  # noqa: E731
    check(x.types, body, *([array] for array in x.arrays()))


@st.composite
def pads(draw: st.DrawFn) -> tuple[Tensor, dict[str, Any]]:
    mode = draw(st.sampled_from(["constant", "constant", "reflect", "symmetric"]))
    x = Tensor(draw, ranks=(1, 6), least=2)
    most = [3 if mode == "constant" else size - 1 if mode == "reflect" else size for size in x.sizes]
    pairs = tuple(
        (draw(st.integers(0, n)), draw(st.integers(0, n))) if draw(st.booleans()) else (0, 0) for n in most
    )
    value = draw(st.sampled_from([0.0, 1.0, -2.0])) if mode == "constant" else 0.0
    return x, {"pads": pairs, "mode": mode, "value": abs(value) if x.dtype in ("bool", "uint8") else value}


@examples(120)
@given(pads())
def test_pads(case):
    x, attrs = case
    check(x.types, lambda b, v: b.op("pad", v, **attrs), *([array] for array in x.arrays()))


@st.composite
def reductions(draw: st.DrawFn) -> tuple[Tensor, str, dict[str, Any]]:
    op = draw(st.sampled_from(["sum", "mean", "max", "min", "prod", "any", "all"]))
    dtype = (
        "bool"
        if op in ("any", "all")
        else draw(st.sampled_from(["float32", "float32", "int32", "int64", "uint8"]))
    )
    x = Tensor(draw, ranks=(1, 6), dtype=dtype)
    return x, f"reduce_{op}", {"axes": some_axes(draw, x.rank), "keepdims": draw(st.booleans())}


@examples(120)
@given(reductions())
def test_reductions(case):
    x, op, attrs = case
    check(x.types, lambda b, v: b.op(op, v, **attrs), *([array] for array in x.arrays()))


@st.composite
def gathers(draw: st.DrawFn) -> tuple[Tensor, str, tuple[int, ...], dict[str, int]]:
    x = Tensor(draw, ranks=(1, 4))
    axis = draw(st.integers(0, x.rank - 1))
    batch = draw(st.integers(0, axis))
    shape = tuple(draw(st.lists(st.integers(1, 3), min_size=0, max_size=2)))
    dtype = draw(st.sampled_from(["int32", "int64", "uint8", "int8", "int16", "uint16", "uint32"]))
    return x, dtype, shape, {"axis": axis, "batch_dims": batch}


@examples(120)
@given(gathers())
def test_gathers(case):
    x, dtype, shape, attrs = case
    lead = x.shape[: attrs["batch_dims"]]
    types = {**x.types, "i": (dtype, (*lead, *shape))}
    inputs = []
    for array in x.arrays():
        size = array.shape[attrs["axis"]]
        inputs.append([array, x.random.integers(0, size, (*array.shape[: len(lead)], *shape)).astype(dtype)])
    # Keras has indices of rank 0 in batches of none alone.
    check(types, lambda b, v, i: b.op("gather", v, i, **attrs), *inputs)


@examples(60)
@given(st.data())
def test_embeddings(data):
    draw = data.draw
    index = Tensor(draw, ranks=(1, 3), dtype=draw(st.sampled_from(["int32", "int64", "uint8"])))
    table = made(index.random, (9, draw(st.integers(1, 20))))
    check(
        index.types, lambda b, i: b.op("gather", b.constant(table), i), *([array] for array in index.arrays())
    )


@examples(60)
@given(st.data())
def test_one_hot(data):
    draw = data.draw
    index = Tensor(
        draw, ranks=(0, 3), dtype=draw(st.sampled_from(["int32", "int64", "uint8", "int8", "uint32"]))
    )
    attrs = {
        "depth": draw(st.integers(1, 12)),
        "dtype": draw(st.sampled_from(["float32", "int32", "bool", "int8"])),
    }
    check(index.types, lambda b, i: b.op("one_hot", i, **attrs), *([array] for array in index.arrays()))


@examples(60)
@given(st.data())
def test_running_sums(data):
    draw = data.draw
    x = Tensor(draw, dtype=draw(st.sampled_from(["float32", "int32", "int64", "uint8"])))
    attrs = {
        "axis": draw(st.integers(0, x.rank - 1)), "exclusive": draw(st.booleans()), "reverse": draw(st.booleans()),
    }  # fmt: skip
    check(x.types, lambda b, v: b.op("cumsum", v, **attrs), *([array] for array in x.arrays()))


@examples(80)
@given(st.data())
def test_layer_norms(data):
    draw = data.draw
    x = Tensor(draw, ranks=(2, 5), least=2, dtype="float32")
    axes = tuple(axis for axis in some_axes(draw, x.rank) if axis not in x.dynamic) or (x.rank - 1,)
    known = not any(axis in x.dynamic for axis in axes)
    scaled, shifted = (known and draw(st.booleans()) for _ in range(2))
    shape = [x.sizes[axis] for axis in axes]

    def body(b: Builder, v: Value) -> Value:
        scale, offset = (b.constant(made(x.random, shape)) if use else None for use in (scaled, shifted))
        return b.op("layer_norm", v, scale, offset, axes=axes, epsilon=1e-3)

    check(x.types, body, *([array] for array in x.arrays()))


@examples(80)
@given(st.data())
def test_dense(data):
    draw = data.draw
    x = Tensor(draw, ranks=(1, 5), dtype="float32")
    x.dynamic.pop(x.rank - 1, None)
    kernel, biased = (x.sizes[-1], draw(st.integers(1, 20))), draw(st.booleans())
    activation = draw(st.sampled_from(ACTIVATIONS))

    def body(b: Builder, v: Value) -> Value:
        bias = b.constant(made(x.random, kernel[1:])) if biased else None
        return b.op("dense", v, b.constant(made(x.random, kernel)), bias, activation=activation)

    check(x.types, body, *([array] for array in x.arrays()))


@examples(40)
@given(st.data())
def test_dense_with_a_computed_kernel(data):
    draw = data.draw
    x = Tensor(draw, ranks=(1, 4), dtype="float32")
    x.dynamic.pop(x.rank - 1, None)
    columns, activation = draw(st.integers(1, 4)), draw(st.sampled_from(ACTIVATIONS))
    types = {**x.types, "k": ("float32", (x.sizes[-1], columns))}

    def body(b: Builder, v: Value, k: Value) -> Value:
        return b.op("dense", v, k, b.constant(made(x.random, (columns,))), activation=activation)

    check(types, body, *([array, made(x.random, (x.sizes[-1], columns))] for array in x.arrays()))


@st.composite
def products(draw: st.DrawFn) -> dict[str, Any]:
    """Shapes of two stacks of matrices that broadcast, either of which may be constant."""
    rank = draw(st.integers(0, 3))
    lead = [draw(st.integers(1, 3)) for _ in range(rank)]
    left, right = list(lead), list(lead)
    for axis in range(rank):
        kind = draw(st.sampled_from(["both", "both", "left", "right"]))
        left[axis] = 1 if kind == "right" else left[axis]
        right[axis] = 1 if kind == "left" else right[axis]
    cut = draw(st.integers(0, rank))
    if draw(st.booleans()):
        right = right[cut:]
    rows, inner, columns = (draw(st.integers(1, 4)) for _ in range(3))
    attrs = {"transpose_a": draw(st.booleans()), "transpose_b": draw(st.booleans())}
    a = [*left, *((inner, rows) if attrs["transpose_a"] else (rows, inner))]
    b = [*right, *((columns, inner) if attrs["transpose_b"] else (inner, columns))]
    return {
        "a": a,
        "b": b,
        "attrs": attrs,
        "constant": draw(st.sampled_from(["", "", "a", "b"])),
        "unknown": draw(st.sampled_from(["", "rows", "columns", "inner", "batch"])),
        "seed": draw(st.integers(0, 999)),
    }


@examples(150)
@given(products())
def test_products(case):
    a, b, attrs, constant = case["a"], case["b"], case["attrs"], case["constant"]
    random = np.random.default_rng(case["seed"])
    rows, inner_a = (-1, -2) if attrs["transpose_a"] else (-2, -1)
    columns, inner_b = (-2, -1) if attrs["transpose_b"] else (-1, -2)
    places = {
        "": [],
        "rows": [("a", rows)],
        "columns": [("b", columns)],
        "inner": [("a", inner_a), ("b", inner_b)],
        "batch": [("a", 0), ("b", 0)] if len(a) == len(b) > 2 and a[0] == b[0] else [("a", 0)],
    }[case["unknown"]]
    if case["unknown"] == "batch" and len(a) < 3:
        places = []
    places = [] if any(name == constant for name, _ in places) else places
    shapes: dict[str, list[Any]] = {"a": list(a), "b": list(b)}
    for name, axis in places:
        shapes[name][axis] = symbol("length")
    types = {name: ("float32", tuple(shape)) for name, shape in shapes.items() if name != constant}
    held = made(random, a if constant == "a" else b)

    def body(build: Builder, *values: Value) -> Value:
        operands = dict(zip(types, values, strict=True))
        if constant:
            operands[constant] = build.constant(held)
        return build.op("matmul", operands["a"], operands["b"], **attrs)

    def sized(more: int) -> list[Array]:
        real = {"a": list(a), "b": list(b)}
        for name, axis in places:
            real[name][axis] += more
        return [made(random, real[name]) for name in types]

    # A batch of 1 beside unknown others broadcasts; beside a known one above 1 it is that.
    grows = places and not (
        case["unknown"] == "batch" and len(places) == 1 and len(b) == len(a) and b[0] != 1
    )
    check(types, body, *(sized(more) for more in ((0, 2) if grows else (0,))))


def test_a_left_operand_is_turned_round_first(tmp_path):
    """XNNPACK takes no BATCH_MATMUL that does it."""
    types = {"a": ("float32", (2, 3, 4)), "b": ("float32", (2, 3, 5))}
    graph = graph_from(types, lambda b, x, y: b.op("matmul", x, y, transpose_a=True))
    names = [name for name, _ in Model(emit(graph, tmp_path)).operations()]
    assert names[:2] == ["TRANSPOSE", "BATCH_MATMUL"]


@st.composite
def joins(draw: st.DrawFn) -> tuple[Tensor, int, list[int]]:
    x = Tensor(draw, ranks=(1, 5))
    axis = draw(st.integers(0, x.rank - 1))
    return x, axis, [draw(st.integers(1, 3)) for _ in range(draw(st.integers(1, 3)))]


@examples(80)
@given(joins())
def test_concatenations(case):
    x, axis, others = case
    types = dict(x.types)
    for index, size in enumerate(others):
        types[f"x{index}"] = (x.dtype, (*x.shape[:axis], size, *x.shape[axis + 1 :]))
    inputs = [
        [array, *(x.array((*array.shape[:axis], size, *array.shape[axis + 1 :])) for size in others)]
        for array in x.arrays()
    ]
    check(types, lambda b, *values: b.op("concat", *values, axis=axis), *inputs)


@examples(80)
@given(joins())
def test_splits(case):
    x, axis, sizes = case
    x.sizes[axis] = sum(sizes)
    x.dynamic.pop(axis, None)
    body = lambda b, v: b.ops("split", v, axis=axis, sizes=tuple(sizes))  # noqa: E731
    check(x.types, body, *([array] for array in x.arrays()))


@examples(80)
@given(st.data())
def test_transposes_tiles_and_reversals(data):
    draw = data.draw
    x = Tensor(draw, ranks=(1, 6))
    perm = tuple(draw(st.permutations(range(x.rank))))
    multiples = tuple(draw(st.integers(1, 2)) for _ in range(x.rank))
    axes = some_axes(draw, x.rank)
    check(
        x.types,
        lambda b, v: [
            b.op("transpose", v, perm=perm),
            b.op("tile", v, multiples=multiples),
            b.op("reverse", v, axes=axes),
        ],
        *([array] for array in x.arrays()),
    )


@examples(80)
@given(st.data())
def test_extremes_and_shares(data):
    draw = data.draw
    x = Tensor(draw, ranks=(1, 5), dtype="float32")
    axis = draw(st.integers(0, x.rank - 1))
    dtype = draw(st.sampled_from(["int32", "int64", "int16"]))
    check(
        x.types,
        lambda b, v: [
            b.op("argmax", v, axis=axis, dtype=dtype),
            b.op("argmin", v, axis=axis, dtype=dtype),
            b.op("softmax", v, axis=axis),
            b.op("log_softmax", v, axis=axis),
        ],
        *([array] for array in x.arrays()),
    )
