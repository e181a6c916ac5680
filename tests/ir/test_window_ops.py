"""What convolution, pool and resize ops mean, against the plainest formula for each."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kexport.ir import Builder, Graph, TensorType, symbol
from kexport.ir.evaluate import evaluate
from kexport.ir.ops import OpError
from kexport.ir.ops.convolution import explicit_pads, same_pads, window_output


def compute(op: str, *arrays: Any, **attrs: Any) -> Any:
    """The op on these arrays, its inferred type checked against what it computes."""
    builder = Builder()
    values = [
        builder.input(f"x{i}", TensorType(array.dtype.name, array.shape)) for i, array in enumerate(arrays)
    ]
    result = builder.op(op, *values, **attrs)
    graph = Graph("one", values, [result], builder.nodes, [v.name for v in values], ["y"])
    (computed,) = evaluate(graph, list(arrays))
    assert computed.shape == result.shape
    assert computed.dtype.name == result.dtype
    return computed


def windows_of(x: Any, window: tuple[int, int], strides: tuple[int, int], pads: Any) -> Any:
    """(row, column, the window's elements that exist as (row in window, column in window, element))."""
    (top, _), (left, _) = pads
    height, width = x.shape[1:3]
    counts = [
        (n + sum(p) - w) // s + 1 for n, w, s, p in zip((height, width), window, strides, pads, strict=True)
    ]
    for row, column in itertools.product(*map(range, counts)):
        inside = []
        for i, j in itertools.product(range(window[0]), range(window[1])):
            y, z = row * strides[0] + i - top, column * strides[1] + j - left
            if 0 <= y < height and 0 <= z < width:
                inside.append((i, j, x[:, y, z]))
        yield row, column, inside


PADS = st.sampled_from(["same", ((0, 0), (0, 0)), ((1, 2), (0, 1)), ((2, 0), (1, 1))])


@settings(max_examples=60)
@given(
    spatial=st.tuples(st.integers(3, 9), st.integers(3, 9)),
    window=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    strides=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=PADS,
    include=st.booleans(),
)
def test_pools(spatial: Any, window: Any, strides: Any, padding: Any, include: bool) -> None:
    x = np.random.default_rng(1).normal(size=(2, *spatial, 3)).astype(np.float32)
    pads = explicit_pads(padding, spatial, window, strides, (1, 1))
    attrs: dict[str, Any] = {"window": window, "strides": strides, "padding": padding}
    highest, mean = (
        compute("max_pool", x, **attrs),
        compute("avg_pool", x, count_include_pad=include, **attrs),
    )
    for row, column, inside in windows_of(x, window, strides, pads):
        elements = [element for _, _, element in inside]
        if not elements:
            continue
        np.testing.assert_array_equal(highest[:, row, column], np.max(elements, axis=0))
        count = window[0] * window[1] if include else len(elements)
        np.testing.assert_allclose(
            mean[:, row, column], np.sum(elements, axis=0) / count, rtol=1e-5, atol=1e-6
        )


@settings(max_examples=40)
@given(
    spatial=st.tuples(st.integers(3, 9), st.integers(3, 9)),
    window=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    strides=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=PADS,
)
def test_convolutions(spatial: Any, window: Any, strides: Any, padding: Any) -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(2, *spatial, 3)).astype(np.float32)
    kernel = rng.normal(size=(*window, 3, 4)).astype(np.float32)
    pads = explicit_pads(padding, spatial, window, strides, (1, 1))
    attrs: dict[str, Any] = {"strides": strides, "padding": padding, "dilations": (1, 1)}
    plain, depthwise = compute("conv", x, kernel, **attrs), compute("depthwise_conv", x, kernel, **attrs)
    for row, column, inside in windows_of(x, window, strides, pads):
        total = sum((e @ kernel[i, j] for i, j, e in inside), np.zeros((2, 4), np.float32))
        np.testing.assert_allclose(plain[:, row, column], total, rtol=1e-4, atol=1e-5)
        each = sum((e[..., None] * kernel[i, j] for i, j, e in inside), np.zeros((2, 3, 4), np.float32))
        np.testing.assert_allclose(depthwise[:, row, column], each.reshape(2, 12), rtol=1e-4, atol=1e-5)


@settings(max_examples=40)
@given(
    length=st.integers(1, 7), window=st.integers(1, 4), stride=st.integers(1, 4), dilation=st.integers(1, 3),
    crops=st.sampled_from([(0, 0), (0, -2), (-1, -1)]),
)  # fmt: skip
def test_transposed_convolution_adds_a_kernel_for_each_element(
    length: int, window: int, stride: int, dilation: int, crops: Any
) -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(2, length, 3)).astype(np.float32)
    kernel, bias = rng.normal(size=(window, 2, 3)).astype(np.float32), np.array([1, -2], np.float32)
    full = np.zeros((2, (length - 1) * stride + dilation * (window - 1) + 1, 2), np.float32)
    for position, offset in itertools.product(range(length), range(window)):
        full[:, position * stride + offset * dilation] += x[:, position] @ kernel[offset].T
    wanted = np.pad(full, ((0, 0), (-crops[0], -crops[1]), (0, 0))) + bias
    attrs: dict[str, Any] = {"strides": (stride,), "crops": (crops,), "dilations": (dilation,)}
    np.testing.assert_allclose(
        compute("conv_transpose", x, kernel, bias, **attrs), wanted, rtol=1e-4, atol=1e-5
    )


@given(
    length=st.integers(1, 60), window=st.integers(1, 9), stride=st.integers(1, 5), dilation=st.integers(1, 4)
)
def test_same_makes_as_many_windows_as_strides_fit(
    length: int, window: int, stride: int, dilation: int
) -> None:
    before, after = same_pads(length, window, stride, dilation)
    assert 0 <= after - before <= 1
    assert window_output(length, window, stride, dilation, (before, after)) == -(-length // stride)
    assert window_output(length, window, stride, dilation, None) == -(-length // stride)


def test_a_convolution_takes_no_more_memory_than_its_tensors() -> None:
    import tracemalloc

    x, kernel = np.ones((1, 200, 200, 16), np.float32), np.ones((9, 9, 16, 16), np.float32)
    tracemalloc.start()
    compute("conv", x, kernel, strides=(1, 1), padding="same", dilations=(1, 1))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * x.nbytes  # its 81 windows at once would be 81


def test_sums_of_small_integers_do_not_wrap_before_the_end() -> None:
    x, kernel = np.full((1, 3, 1), 100, np.int32), np.full((3, 1, 1), 2**20, np.int32)
    total = compute("conv", x, kernel, strides=(1,), padding="same", dilations=(1,))
    assert total[0, 1, 0] == 300 * 2**20


def test_half_precision_is_summed_in_single() -> None:
    x, kernel = np.full((1, 4096, 1), 1, np.float16), np.full((4096, 1, 1), 1, np.float16)
    total = compute("conv", x, kernel, strides=(1,), padding=((0, 0),), dilations=(1,))
    assert total[0, 0, 0] == 4096


def test_a_pool_of_nothing_but_padding() -> None:
    x = np.ones((1, 2, 1), np.float32)
    attrs: dict[str, Any] = {"window": (2,), "strides": (2,), "padding": ((2, 0),)}
    assert np.isnan(compute("avg_pool", x, **attrs)[0, 0, 0])
    assert compute("avg_pool", x, count_include_pad=True, **attrs)[0, 0, 0] == 0


def test_averages_of_integers() -> None:
    x = np.array([[[250], [252], [1]]], np.uint8)
    pooled = compute("avg_pool", x, window=(2,), strides=(1,), padding="same")
    np.testing.assert_array_equal(pooled[0, :, 0], [251, 126, 1])


@pytest.mark.parametrize("method", ["nearest", "bilinear"])
@pytest.mark.parametrize("size", [(3, 4), (7, 2), (5, 5)])
def test_resize_samples_at_half_pixel_centres(method: str, size: tuple[int, int]) -> None:
    x = np.random.default_rng(4).normal(size=(1, 5, 5, 2)).astype(np.float32)
    result = compute("resize", x, size=size, method=method)
    for row, column in itertools.product(*map(range, size)):
        y, z = (row + 0.5) * 5 / size[0], (column + 0.5) * 5 / size[1]
        if method == "nearest":
            wanted = x[0, int(y), int(z)]
        else:
            y, z = np.clip([y - 0.5, z - 0.5], 0, 4)
            rows, columns = [int(y), min(int(y) + 1, 4)], [int(z), min(int(z) + 1, 4)]
            fy, fz = y - rows[0], z - columns[0]
            upper = x[0, rows[0], columns[0]] * (1 - fz) + x[0, rows[0], columns[1]] * fz
            lower = x[0, rows[1], columns[0]] * (1 - fz) + x[0, rows[1], columns[1]] * fz
            wanted = upper * (1 - fy) + lower * fy
        np.testing.assert_allclose(result[0, row, column], wanted, rtol=1e-5, atol=1e-6)


def test_the_layout_of_channels_is_no_more_than_that() -> None:
    rng = np.random.default_rng(6)
    x, kernel = (
        rng.normal(size=(2, 6, 5, 4)).astype(np.float32),
        rng.normal(size=(3, 2, 2, 6)).astype(np.float32),
    )
    attrs: dict[str, Any] = {"strides": (2, 1), "padding": "same", "dilations": (1, 1), "groups": 2}
    last = compute("conv", x, kernel, **attrs)
    first = compute(
        "conv", np.ascontiguousarray(np.moveaxis(x, -1, 1)), kernel, data_format="channels_first", **attrs
    )
    np.testing.assert_allclose(np.moveaxis(first, 1, -1), last, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("op", "attrs"),
    [
        ("conv", {"strides": (1,), "padding": "same", "dilations": (1, 1)}),
        ("conv", {"strides": (1, 1), "padding": "valid", "dilations": (1, 1)}),
        ("conv", {"strides": (1, 1), "padding": "same", "dilations": (1, 1), "groups": 2}),
        (
            "depthwise_conv",
            {"strides": (1, 1), "padding": "same", "dilations": (1, 1), "data_format": "channels_first"},
        ),
    ],
)
def test_attributes_that_do_not_fit_are_refused(op: str, attrs: dict[str, Any]) -> None:
    builder = Builder()
    x = builder.input("x", TensorType("float32", (1, 8, 8, 3)))
    kernel = builder.constant(np.zeros((3, 3, 3, 2), np.float32))
    with pytest.raises(OpError):
        builder.op(op, x, kernel, **attrs)


def test_symbolic_lengths() -> None:
    builder = Builder()
    length = symbol("time")
    x = builder.input("x", TensorType("float32", (1, length, 2)))
    kernel = builder.constant(np.zeros((3, 2, 2), np.float32))
    conv = builder.op("conv", x, kernel, strides=(2,), padding="same", dilations=(1,))
    assert str(conv.shape[1]) == "(time+1)//2"
    pool = builder.op("max_pool", x, window=(3,), strides=(1,), padding=((0, 0),))
    assert str(pool.shape[1]) == "time-2"
