"""Shapes worked out when the model runs: several unknown lengths, their sums, quotients and products."""

from __future__ import annotations

import numpy as np
import pytest

from kexport.errors import UnsupportedOpError
from kexport.ir import dims, symbol
from support.graphs import graph_from
from targets.tflite.running import Model, check, emit, outputs_of

BATCH, TIME, WIDTH = symbol("batch"), symbol("time"), symbol("width")


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def images(sizes) -> list[list[np.ndarray]]:
    return [[numbers(*size)] for size in sizes]


def half(length):
    return dims.floor_div(length, 2)


@pytest.mark.parametrize(
    "shape",
    [
        (dims.multiply(BATCH, TIME), 6),
        (BATCH, dims.multiply(TIME, 6)),
        (BATCH, TIME, 2, 3),
        (TIME, BATCH, 6),
        (6, TIME, BATCH),
        (BATCH, 3, dims.multiply(2, TIME)),
        (dims.product((BATCH, TIME, 6)),),
        (1, BATCH, 1, TIME, 6),
    ],
    ids=dims.format_shape,
)
def test_reshapes(shape):
    types = {"x": ("float32", (BATCH, TIME, 6))}
    check(types, lambda b, x: b.op("reshape", x, shape=shape), *images([(1, 1, 6), (2, 5, 6), (3, 2, 6)]))


def test_a_reshape_that_one_symbol_stands_for_twice():
    types = {"x": ("float32", (TIME, TIME, 2))}
    check(types, lambda b, x: b.op("reshape", x, shape=(TIME, 2, TIME)), *images([(2, 2, 2), (5, 5, 2)]))


def test_halves_of_unknown_lengths():
    """What pools leave of them, put into shapes."""

    def body(b, x):
        pooled = b.op("max_pool", x, window=(2, 2), strides=(2, 2), padding=((0, 0), (0, 0)))
        batch, rows, columns, channels = pooled.shape
        merged = b.op("reshape", pooled, shape=(batch, dims.multiply(rows, columns), channels))
        return [merged, b.op("reshape", merged, shape=(batch, rows, columns, channels))]

    types = {"x": ("float32", (BATCH, TIME, WIDTH, 3))}
    check(types, body, *images([(1, 2, 3, 3), (2, 7, 10, 3), (3, 9, 4, 3)]))


def test_sums_and_differences_of_lengths():
    def body(b, x):
        padded = b.op("pad", x, pads=((0, 0), (2, 3), (0, 1), (0, 0)))
        cut = b.op("slice", padded, begin=(0, 1, 0, 0), end=(None, -3, None, None), strides=(1, 1, 1, 1))
        batch, rows, columns, channels = cut.shape
        return b.op("reshape", cut, shape=(rows, batch, dims.multiply(columns, channels)))

    types = {"x": ("float32", (BATCH, TIME, WIDTH, 2))}
    check(types, body, *images([(1, 3, 1, 2), (2, 4, 5, 2)]))


def test_strided_windows_of_strided_windows():
    def body(b, x):
        window = {"strides": (3, 2), "padding": ((1, 0), (0, 2)), "dilations": (1, 1)}
        y = b.op("conv", x, b.constant(numbers(2, 3, 2, 4)), None, **window)
        y = b.op("conv", y, b.constant(numbers(2, 2, 4, 4)), None, **{**window, "padding": "same"})
        batch, rows, columns, channels = y.shape
        return b.op("reshape", y, shape=(batch, dims.product((rows, columns)), channels))

    types = {"x": ("float32", (BATCH, TIME, WIDTH, 2))}
    check(types, body, *images([(1, 5, 4, 2), (2, 16, 9, 2), (1, 17, 11, 2)]))


@pytest.mark.parametrize(
    "shape", [(BATCH, TIME, 4), (3, BATCH, TIME, 4), (BATCH, TIME, half(dims.add(TIME, 5)))]
)
def test_broadcasts(shape):
    types = {"x": ("float32", (BATCH, TIME, 1))}

    def body(b, x):
        one = b.constant(np.float32([2.5]))
        return b.op("add", b.op("broadcast_to", x, shape=shape), b.op("broadcast_to", one, shape=shape))

    check(types, body, *images([(1, 1, 1), (2, 5, 1)]))


@pytest.mark.parametrize("method", ["nearest", "bilinear"])
@pytest.mark.parametrize(
    "size",
    [
        (dims.multiply(2, TIME), dims.multiply(3, WIDTH)), (half(dims.add(TIME, 1)), WIDTH), (dims.add(TIME, 3), 5),
        (WIDTH, TIME),
    ],
    ids=dims.format_shape,
)  # fmt: skip
def test_resizes(method, size):
    types = {"x": ("float32", (BATCH, TIME, WIDTH, 3))}
    check(
        types, lambda b, x: b.op("resize", x, size=size, method=method), *images([(1, 3, 2, 3), (2, 5, 8, 3)])
    )


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("crops", [(0, 0), (0, 1), (1, 2), (-1, 0), (1, -2)])
def test_transposed_convolutions(rank, crops):
    lengths = (TIME, WIDTH, symbol("depth"))[:rank]
    types = {"x": ("float32", (BATCH, *lengths, 2))}

    def body(b, x):
        attrs = {"strides": (2,) * rank, "crops": (crops,) * rank, "dilations": (1,) * rank}
        y = b.op(
            "conv_transpose", x, b.constant(numbers(*(3,) * rank, 4, 2)), b.constant(numbers(4)), **attrs
        )
        return [y, b.op("reshape", y, shape=(y.shape[0], dims.product(y.shape[1:-1]), 4))]

    check(types, body, *images([(1, *(2, 3, 2)[:rank], 2), (2, *(5, 4, 3)[:rank], 2)]))


def test_lengths_of_several_inputs():
    types = {"a": ("float32", (BATCH, TIME, 2)), "b": ("float32", (BATCH, WIDTH, 2))}

    def body(b, x, y):
        left = b.op("reshape", x, shape=(BATCH, TIME, 1, 2))
        right = b.op("reshape", y, shape=(BATCH, 1, WIDTH, 2))
        total = b.op("add", left, right)
        joined = b.op("concat", x, y, axis=1)
        return [
            b.op("reshape", total, shape=(BATCH, dims.multiply(TIME, WIDTH), 2)),
            b.op("reshape", joined, shape=(dims.add(TIME, WIDTH), BATCH, 2)),
        ]

    check(types, body, *([numbers(n, t, 2), numbers(n, w, 2)] for n, t, w in ((1, 2, 3), (3, 5, 2))))


def test_each_length_is_worked_out_once(tmp_path):
    shape = (dims.multiply(BATCH, TIME), WIDTH)

    def body(b, x):
        flat = b.op("reshape", x, shape=shape)
        again = b.op("reshape", b.op("relu", x), shape=shape)
        return [flat, b.op("reshape", b.op("tanh", again), shape=(BATCH, TIME, WIDTH))]

    model = Model(emit(graph_from({"x": ("float32", (BATCH, TIME, WIDTH))}, body), tmp_path))
    names = [name for name, _ in model.operations()]
    assert names.count("SHAPE") == 1
    assert names.count("STRIDED_SLICE") == 3
    assert names.count("MUL") == 1


def test_one_unknown_length_costs_nothing(tmp_path):
    graph = graph_from({"x": ("float32", (BATCH, 4, 6))}, lambda b, x: b.op("reshape", x, shape=(BATCH, 24)))
    assert [name for name, _ in Model(emit(graph, tmp_path)).operations()] == ["RESHAPE"]


def test_a_length_of_no_input_is_refused():
    types = {"x": ("float32", (BATCH, TIME))}
    shape = (BATCH, symbol("elsewhere"), WIDTH)
    with pytest.raises(UnsupportedOpError, match="'elsewhere' is not one of an input's") as caught:
        outputs_of(graph_from(types, lambda b, x: b.op("reshape", x, shape=shape)), [numbers(2, 3)])
    assert "--dim" in caught.value.hint
