"""Convolutions and pools of every kind, with lengths known and unknown, against NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kexport.errors import UnsupportedOpError
from kexport.ir import Array, Builder, Dim, Value, symbol
from targets.tflite.running import check

ACTIVATIONS = ("none", "relu", "relu6", "relu_n1_to_1")


def examples(count: int) -> Any:
    return settings(max_examples=count, derandomize=True, database=None)


class Image:
    """What a window op reads: lengths (some of them unknown), channels and format, and inputs of two sizes."""

    def __init__(self, draw: st.DrawFn, rank: int, channels: int, shortest: Sequence[int]) -> None:
        self.rank, self.channels = rank, channels
        self.random = np.random.default_rng(draw(st.integers(0, 999)))
        self.format = draw(st.sampled_from(["channels_last", "channels_first"]))
        self.lengths = [low + draw(st.integers(0, 4)) for low in shortest]
        self.dynamic = [draw(st.booleans()) for _ in range(rank)] if draw(st.booleans()) else [False] * rank
        self.batch: Dim = draw(st.sampled_from([1, 2, symbol("batch")]))

    def shape(self, batch: Dim, lengths: Sequence[Dim]) -> tuple[Dim, ...]:
        if self.format == "channels_first":
            return (batch, self.channels, *lengths)
        return (batch, *lengths, self.channels)

    @property
    def types(self) -> dict[str, Any]:
        names = [symbol(f"length{axis}") for axis in range(self.rank)]
        lengths = [name if dyn else n for name, n, dyn in zip(names, self.lengths, self.dynamic, strict=True)]
        return {"x": ("float32", self.shape(self.batch, lengths))}

    def inputs(self) -> list[list[Array]]:
        """Of two sizes, where the shape leaves any open."""
        batches = [self.batch] if isinstance(self.batch, int) else [1, 3]
        inputs = []
        for index, batch in enumerate(batches * (2 if any(self.dynamic) else 1)):
            lengths = [n + 3 * index * dyn for n, dyn in zip(self.lengths, self.dynamic, strict=True)]
            inputs.append([self.random.normal(size=self.shape(batch, lengths)).astype(np.float32)])
        return inputs

    def constant(self, b: Builder, *shape: int) -> Value:
        return b.constant(self.random.normal(size=shape).astype(np.float32))


def each(draw: st.DrawFn, rank: int, low: int, high: int) -> tuple[int, ...]:
    return tuple(draw(st.integers(low, high)) for _ in range(rank))


def paddings(draw: st.DrawFn, rank: int, most: int = 2) -> Any:
    kind = draw(st.sampled_from(["same", "valid", "explicit"]))
    if kind == "same":
        return "same"
    most = most if kind == "explicit" else 0
    return tuple((draw(st.integers(0, most)), draw(st.integers(0, most))) for _ in range(rank))


@st.composite
def convolutions(draw: st.DrawFn, op: str) -> tuple[Image, dict[str, Any], tuple[int, ...], bool]:
    rank = draw(st.sampled_from([2, 2, 1, 3]))
    window, dilations, strides = each(draw, rank, 1, 3), (1,) * rank, (1,) * rank
    if draw(st.booleans()):
        strides = each(draw, rank, 1, 3)
    elif draw(st.booleans()):
        dilations = each(draw, rank, 1, 3)
    groups = draw(st.sampled_from([1, 1, 2, 3])) if op == "conv" else 1
    inner = draw(st.integers(1, 3))
    reach = [d * (w - 1) + 1 for d, w in zip(dilations, window, strict=True)]
    image = Image(draw, rank, inner * groups, reach)
    if op == "conv":
        kernel = (*window, inner, groups * draw(st.integers(1, 3)))
    else:
        kernel = (*window, inner, draw(st.integers(1, 3)))
    attrs = {
        "strides": strides,
        "padding": paddings(draw, rank),
        "dilations": dilations,
        "data_format": image.format,
        "activation": draw(st.sampled_from(ACTIVATIONS)),
    }
    if op == "conv":
        attrs["groups"] = groups
    return image, attrs, kernel, draw(st.booleans())


def check_convolution(op: str, case: tuple[Image, dict[str, Any], tuple[int, ...], bool]) -> None:
    image, attrs, kernel, biased = case
    outputs = kernel[-1] * (kernel[-2] if op == "depthwise_conv" else 1)

    def body(b: Builder, x: Value) -> Value:
        bias = image.constant(b, outputs) if biased else None
        return b.op(op, x, image.constant(b, *kernel), bias, **attrs)

    check(image.types, body, *image.inputs())


@examples(120)
@given(convolutions("conv"))
def test_convolutions(case):
    check_convolution("conv", case)


@examples(80)
@given(convolutions("depthwise_conv"))
def test_depthwise_convolutions(case):
    check_convolution("depthwise_conv", case)


@st.composite
def transposed(draw: st.DrawFn) -> tuple[Image, dict[str, Any], tuple[int, ...], bool]:
    rank = draw(st.sampled_from([2, 2, 1, 3]))
    window, strides, dilations = each(draw, rank, 1, 4), each(draw, rank, 1, 3), (1,) * rank
    if draw(st.booleans()):
        dilations = each(draw, rank, 1, 2)
    image = Image(draw, rank, draw(st.integers(1, 3)), [2] * rank)
    crops = []
    for w, s, d, n in zip(window, strides, dilations, image.lengths, strict=True):
        room = (n - 1) * s + d * (w - 1)
        before = draw(st.integers(-2, min(2, room)))
        crops.append((before, draw(st.integers(-2, min(2, room - max(before, 0))))))
    if draw(st.booleans()):  # what Keras's `same` crops
        crops = [
            (max(w - s, 0) // 2, max(w - s, 0) - max(w - s, 0) // 2)
            for w, s in zip(window, strides, strict=True)
        ]
        dilations = (1,) * rank
    attrs = {
        "strides": strides,
        "crops": tuple(crops),
        "dilations": dilations,
        "data_format": image.format,
        "activation": draw(st.sampled_from(ACTIVATIONS)),
    }
    return image, attrs, (*window, draw(st.integers(1, 3)), image.channels), draw(st.booleans())


@examples(150)
@given(transposed())
def test_transposed_convolutions(case):
    image, attrs, kernel, biased = case

    def body(b: Builder, x: Value) -> Value:
        bias = image.constant(b, kernel[-2]) if biased else None
        return b.op("conv_transpose", x, image.constant(b, *kernel), bias, **attrs)

    check(image.types, body, *image.inputs())


@st.composite
def pools(draw: st.DrawFn) -> tuple[str, Image, dict[str, Any]]:
    rank = draw(st.sampled_from([2, 2, 1, 3]))
    window = each(draw, rank, 1, 4)
    image = Image(draw, rank, draw(st.integers(1, 3)), window)
    padding = paddings(draw, rank)
    if padding != "same":  # no window of nothing but padding
        padding = tuple((min(a, w - 1), min(b, w - 1)) for (a, b), w in zip(padding, window, strict=True))
    op = draw(st.sampled_from(["max_pool", "avg_pool", "avg_pool"]))
    attrs = {
        "window": window,
        "strides": each(draw, rank, 1, 3),
        "padding": padding,
        "data_format": image.format,
        "activation": draw(st.sampled_from(ACTIVATIONS)),
    }
    if op == "avg_pool":
        attrs["count_include_pad"] = draw(st.booleans())
    return op, image, attrs


@examples(200)
@given(pools())
def test_pools(case):
    op, image, attrs = case
    check(image.types, lambda b, x: b.op(op, x, **attrs), *image.inputs())


@pytest.mark.parametrize("op", ["conv", "depthwise_conv", "conv_transpose"])
def test_a_computed_kernel_is_refused(op):
    attrs: dict[str, Any] = {"strides": (1, 1), "dilations": (1, 1)}
    attrs["crops" if op == "conv_transpose" else "padding"] = ((0, 0), (0, 0))
    types = {"x": ("float32", (1, 5, 5, 2)), "k": ("float32", (2, 2, 2, 2))}
    with pytest.raises(UnsupportedOpError, match=f"the kernel of a {op} is constant"):
        check(types, lambda b, x, k: b.op(op, x, k, **attrs), [np.ones((1, 5, 5, 2)), np.ones((2, 2, 2, 2))])


@pytest.mark.parametrize("length", [7, symbol("length")])
@pytest.mark.parametrize("strides", [(10, 10), (4, 1), (1, 7)])
def test_strides_longer_than_windows(length, strides):
    # TensorFlow's own interpreter once gave zeros for a stride of 10.
    sizes = [7] if isinstance(length, int) else [7, 23]
    inputs = [
        [np.random.default_rng(size).normal(size=(1, size, size, 2)).astype(np.float32)] for size in sizes
    ]

    def body(b: Builder, x: Value) -> list[Value]:
        kernel = b.constant(np.arange(36, dtype=np.float32).reshape(3, 3, 2, 2))
        attrs: dict[str, Any] = {"strides": strides, "padding": "same"}
        return [
            b.op("conv", x, kernel, **attrs, dilations=(1, 1)),
            b.op("depthwise_conv", x, kernel, **attrs, dilations=(1, 1)),
            b.op("max_pool", x, window=(3, 3), **attrs),
            b.op("avg_pool", x, window=(3, 3), **attrs),
        ]

    check({"x": ("float32", (1, length, length, 2))}, body, *inputs)


def test_dilations_and_strides_together():
    x = np.random.default_rng(0).normal(size=(1, 12, 11, 2)).astype(np.float32)

    def body(b: Builder, v: Value) -> list[Value]:
        kernel = b.constant(np.arange(36, dtype=np.float32).reshape(3, 3, 2, 2))
        attrs: dict[str, Any] = {"strides": (2, 3), "dilations": (2, 3)}
        return [
            b.op(op, v, kernel, **attrs, padding=padding)
            for op in ("conv", "depthwise_conv")
            for padding in ("same", ((0, 0), (0, 0)), ((1, 2), (0, 1)))
        ]

    check({"x": ("float32", x.shape)}, body, [x])
