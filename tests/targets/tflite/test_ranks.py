"""Ops over many dimensions: computed, or refused with a message; in the file, no op over more than runtimes take."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from kexport.errors import UnsupportedOpError
from kexport.ir import symbol
from support.graphs import graph_from
from targets.tflite.running import Model, check, emit

BATCH = symbol("batch")
SIZES = (2, 3, 2, 1, 3, 2, 2, 3)

#: What tflite-runtime 2.14 takes. (Seen by running each builtin there over ranks; it aborts beyond.)
LIMITS = {
    **dict.fromkeys(["MUL", "POW", "FLOOR_DIV", "FLOOR_MOD", "SQUARED_DIFFERENCE", "PRELU"], 4),
    **dict.fromkeys(["EQUAL", "NOT_EQUAL", "LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL"], 4),
    **dict.fromkeys(["LOGICAL_AND", "LOGICAL_OR", "BITWISE_XOR", "RIGHT_SHIFT"], 4),
    **dict.fromkeys(["SUB", "DIV", "MAXIMUM", "MINIMUM", "SELECT_V2"], 5),
    "ADD": 6,
    "ATAN2": 0,
}
LIMITS_OF_ANY_SHAPES = {
    **dict.fromkeys(["PAD", "PADV2", "MIRROR_PAD", "STRIDED_SLICE", "BATCH_MATMUL"], 5),
    "TRANSPOSE": 6,
    "BROADCAST_TO": 8,
    # XNNPACK's delegate fails the whole model beyond.
    **dict.fromkeys(
        ["CONCATENATION", "SUM", "MEAN", "REDUCE_MAX", "REDUCE_MIN", "SOFTMAX", "FULLY_CONNECTED"], 6
    ),
}

NUMBERS = (
    "add", "sub", "mul", "div", "maximum", "minimum", "pow", "floor_div", "mod", "squared_difference", "prelu", "atan2",
    "equal", "not_equal", "less", "less_equal", "greater", "greater_equal",
)  # fmt: skip
WHOLE = (
    "add",
    "sub",
    "mul",
    "maximum",
    "floor_div",
    "mod",
    "pow",
    "equal",
    "less",
    "bitwise_xor",
    "right_shift",
)


def shape(rank: int, *ones: int) -> tuple[int, ...]:
    """The first ``rank`` sizes, some of them 1."""
    return tuple(1 if axis in ones else SIZES[axis] for axis in range(rank))


def numbers(shape_: tuple[int, ...], dtype: str = "float32", seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return np.asarray(
        random.integers(0, 2, shape_) if dtype == "bool" else random.integers(1, 5, shape_), dtype
    )


def check_ranks(types, body, *inputs, tolerance=1e-5, folder: Path) -> None:
    check(types, body, *inputs, tolerance=tolerance)
    model = Model(emit(graph_from(types, body), folder))
    shapes = {detail["index"]: tuple(detail["shape"]) for detail in model.tensors()}
    for name, operands in model.operations():
        ranks = [len(shapes[index]) for index in operands if index >= 0]
        if len({shapes[index] for index in operands}) > 1:
            assert max(ranks) <= LIMITS.get(name, 9), name
        assert ranks[0] <= LIMITS_OF_ANY_SHAPES.get(name, 9), name


@pytest.mark.parametrize("rank", range(9))
@pytest.mark.parametrize("ones", ["even", "odd", "all", "first", "last"])
def test_broadcasts(rank, ones, tmp_path):
    axes = {
        "even": range(0, rank, 2),
        "odd": range(1, rank, 2),
        "all": range(rank),
        "first": range(rank // 2),
        "last": range(rank // 2, rank),
    }[ones]
    rest = [axis for axis in range(rank) if axis not in axes] if ones in ("even", "odd") else []
    for dtype, ops in (
        ("float32", NUMBERS),
        ("int32", WHOLE),
        ("bool", ("logical_and", "logical_or", "logical_xor")),
    ):
        a, b = numbers(shape(rank, *axes), dtype, 1), numbers(shape(rank, *rest), dtype, 2)
        types = {"a": (dtype, a.shape), "b": (dtype, b.shape)}
        body = lambda build, x, y, ops=ops: [build.op(op, x, y) for op in ops]  # noqa: E731
        check_ranks(types, body, [a, b], folder=tmp_path)
        check_ranks({"a": types["b"], "b": types["a"]}, body, [b, a], folder=tmp_path)


@pytest.mark.parametrize("rank", range(1, 8))
@pytest.mark.parametrize("other", range(1, 8))
def test_broadcasts_of_different_ranks(rank, other):
    a, b = numbers(SIZES[8 - rank :], seed=1), numbers(SIZES[8 - other :], seed=2)
    types = {"a": ("float32", a.shape), "b": ("float32", b.shape)}
    check(types, lambda build, x, y: [build.op(op, x, y) for op in NUMBERS], [a, b])


@pytest.mark.parametrize("rank", [2, 5, 7])
def test_broadcasts_of_unknown_lengths(rank, tmp_path):
    ones, rest = range(2, rank, 2), range(1, rank, 2)
    for op in ("mul", "add", "less", "prelu", "atan2"):
        types = {
            "a": ("float32", (BATCH, *shape(rank, *ones)[1:])),
            "b": ("float32", (BATCH, *shape(rank, *rest)[1:])),
        }
        inputs = [
            [numbers((batch, *shape(rank, *axes)[1:]), seed=batch) for axes in (ones, rest)]
            for batch in (1, 3)
        ]
        check_ranks(types, lambda b, x, y, op=op: b.op(op, x, y), *inputs, folder=tmp_path)


@pytest.mark.parametrize("rank", range(8))
def test_select(rank, tmp_path):
    condition = numbers(shape(rank, *range(0, rank, 2)), "bool")
    a, b = numbers(shape(rank, *range(1, rank, 2)), seed=1), numbers(shape(rank), seed=2)
    types = {"c": ("bool", condition.shape), "a": ("float32", a.shape), "b": ("float32", b.shape)}
    check_ranks(types, lambda build, c, x, y: build.op("select", c, x, y), [condition, a, b], folder=tmp_path)


def test_broadcasts_over_more_dimensions_than_any_op_are_refused():
    alternate = tuple(1 if axis % 2 else 2 for axis in range(10))
    types = {"a": ("float32", alternate), "b": ("float32", alternate[::-1])}
    with pytest.raises(UnsupportedOpError, match="computes mul over at most 8 dimensions") as caught:
        check(types, lambda b, x, y: b.op("mul", x, y), [numbers(alternate), numbers(alternate[::-1])])
    assert "Reshape" in caught.value.hint


@pytest.mark.parametrize("rank", range(1, 6))
def test_every_transpose(rank):
    x = numbers(shape(rank))
    perms = list(itertools.permutations(range(rank)))[:: max(1, rank**3 // 12)]
    check({"x": ("float32", x.shape)}, lambda b, v: [b.op("transpose", v, perm=perm) for perm in perms], [x])


@pytest.mark.parametrize(
    "perm",
    [
        (5, 4, 3, 2, 1, 0), (0, 2, 4, 1, 3, 5, 6), (6, 0, 1, 2, 3, 4, 5), (1, 2, 3, 0, 6, 5, 4), (3, 4, 5, 6, 7, 0, 1, 2),
        (7, 6, 0, 1, 2, 3, 4, 5), (0, 1, 2, 3, 4, 5, 7, 6),
    ],
)  # fmt: skip
@pytest.mark.parametrize("dtype", ["float32", "int32", "bool"])
def test_transposes_of_many_dimensions(perm, dtype, tmp_path):
    x = numbers(shape(len(perm)), dtype)
    check_ranks({"x": (dtype, x.shape)}, lambda b, v: b.op("transpose", v, perm=perm), [x], folder=tmp_path)


@pytest.mark.parametrize("perm", [(6, 5, 4, 3, 2, 1, 0), (0, 7, 6, 5, 4, 3, 2, 1)])
def test_transposes_that_mix_more_than_six_dimensions_are_refused(perm):
    x = numbers(tuple(2 for _ in perm))
    with pytest.raises(UnsupportedOpError, match="computes transpose over at most 6 dimensions"):
        check({"x": ("float32", x.shape)}, lambda b, v: b.op("transpose", v, perm=perm), [x])


@pytest.mark.parametrize("rank", range(1, 8))
@pytest.mark.parametrize("mode", ["constant", "reflect", "symmetric"])
@pytest.mark.parametrize("value", [0.0, 3.0])
def test_pads_of_every_dimension(rank, mode, value, tmp_path):
    if mode != "constant" and value:
        return
    x = numbers(tuple(2 + axis % 2 for axis in range(rank)))
    for axes in ({*range(rank)}, {0, rank - 1}, {rank // 2}):
        pads = tuple((1, axis % 2) if axis in axes else (0, 0) for axis in range(rank))
        body = lambda b, v, pads=pads: b.op("pad", v, pads=pads, mode=mode, value=value)  # noqa: E731
        check_ranks({"x": ("float32", x.shape)}, body, [x], folder=tmp_path)


@pytest.mark.parametrize("rank", range(1, 8))
@pytest.mark.parametrize("dtype", ["float32", "bool"])
def test_slices_of_every_dimension(rank, dtype, tmp_path):
    x = numbers(tuple(3 + axis % 2 for axis in range(rank)), dtype)
    bounds = [(1, None, 1), (0, -1, 1), (-2, None, 1), (0, None, 2), (0, 2, 1)]
    for axes in ({*range(rank)}, {0, rank - 1}, {rank // 2}):
        rows = [bounds[axis % 5] if axis in axes else (0, None, 1) for axis in range(rank)]
        begin, end, strides = zip(*rows, strict=True)
        body = lambda b, v, at=(begin, end, strides): b.op("slice", v, begin=at[0], end=at[1], strides=at[2])  # noqa: E731
        check_ranks({"x": (dtype, x.shape)}, body, [x], folder=tmp_path)


@pytest.mark.parametrize("op", ["pad", "slice"])
def test_pads_and_slices_of_unknown_lengths(op, tmp_path):
    types = {"x": ("float32", (BATCH, 3, 2, 3, 2, symbol("time")))}
    if op == "pad":
        attrs = {"pads": ((0, 0), (1, 1), (0, 1), (1, 0), (1, 1), (2, 0))}
    else:
        attrs = {"begin": (0, 1, 0, -2, 1, 1), "end": (None, None, 1, None, None, -1), "strides": (1,) * 6}
    inputs = [[numbers((batch, 3, 2, 3, 2, time))] for batch, time in ((1, 4), (3, 7))]
    check_ranks(types, lambda b, v: b.op(op, v, **attrs), *inputs, folder=tmp_path)


@pytest.mark.parametrize("rank", range(1, 8))
@pytest.mark.parametrize("dtype", ["float32", "int32", "bool"])
def test_reverse_tile_concat_gather_split(rank, dtype):
    x = numbers(shape(rank), dtype)
    every = range(rank)

    def body(b, v):
        rows = b.constant(np.zeros(2, np.int32))
        return [
            *(b.op("reverse", v, axes=(axis,)) for axis in every),
            b.op("reverse", v, axes=tuple(every)),
            b.op("tile", v, multiples=tuple(1 + axis % 2 for axis in every)),
            *(b.op("concat", v, v, axis=axis) for axis in every),
            *(b.op("gather", v, rows, axis=axis) for axis in every),
            *b.ops("split", v, axis=0, sizes=(1, 1)),
        ]

    check({"x": (dtype, x.shape)}, body, [x])


@pytest.mark.parametrize("rank", range(1, 8))
@pytest.mark.parametrize("op", ["sum", "mean", "max", "min", "prod", "any", "all"])
def test_reductions_over_any_axes(rank, op):
    dtype = "bool" if op in ("any", "all") else "float32"
    x = numbers(shape(rank), dtype)
    if op == "prod":
        x = 1 + x / np.float32(100)  # hundreds of larger ones overflow
    choices = [axes for count in range(1, rank + 1) for axes in itertools.combinations(range(rank), count)][
        ::3
    ]
    check(
        {"x": (dtype, x.shape)},
        lambda b, v: [
            b.op(f"reduce_{op}", v, axes=axes, keepdims=k) for axes in choices for k in (False, True)
        ],
        [x],
    )


@pytest.mark.parametrize("rank", range(1, 8))
@pytest.mark.parametrize("op", ["softmax", "log_softmax", "argmax", "argmin", "cumsum"])
def test_ops_along_any_axis(rank, op):
    x = numbers(shape(rank))
    check({"x": ("float32", x.shape)}, lambda b, v: [b.op(op, v, axis=axis) for axis in range(rank)], [x])


@pytest.mark.parametrize("rank", range(1, 8))
def test_layer_norm_dense_one_hot(rank, tmp_path):
    x = numbers((*shape(rank)[:-1], 4))

    def body(b, v):
        kernel = b.constant(np.arange(12, dtype=np.float32).reshape(4, 3) - 5)
        return [b.op("layer_norm", v, axes=(rank - 1,), epsilon=1e-3), b.op("dense", v, kernel, None)]

    check_ranks({"x": ("float32", x.shape)}, body, [x], folder=tmp_path)
    index = numbers(shape(rank), "int32")
    check({"x": ("int32", index.shape)}, lambda b, v: b.op("one_hot", v, depth=4), [index])


@pytest.mark.parametrize("rank", range(2, 9))
def test_matrix_products(rank, tmp_path):
    lead = shape(rank - 2)
    for left, right in ((lead, lead), (lead, ()), ((), lead), (shape(rank - 2, 0, 2), shape(rank - 2, 1, 3))):
        a, b = numbers((*left, 2, 3), seed=1), numbers((*right, 3, 4), seed=2)
        types = {"a": ("float32", a.shape), "b": ("float32", b.shape)}
        check_ranks(types, lambda build, x, y: build.op("matmul", x, y), [a, b], folder=tmp_path)


def test_matrix_products_of_unknown_lengths_in_many_dimensions(tmp_path):
    types = {"a": ("float32", (BATCH, 1, 3, 2, 2, 3)), "b": ("float32", (BATCH, 2, 3, 1, 3, symbol("time")))}
    inputs = [[numbers((n, 1, 3, 2, 2, 3)), numbers((n, 2, 3, 1, 3, t))] for n, t in ((1, 2), (3, 5))]
    check_ranks(types, lambda b, x, y: b.op("matmul", x, y), *inputs, folder=tmp_path)
