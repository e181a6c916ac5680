"""Pooling layers, lowered, against Keras."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kexport.errors import LoweringError
from kexport.ir import Builder, Graph, TensorType, symbol
from kexport.ir.evaluate import evaluate
from kexport.lowering.pooling import adaptive_windows
from kexport.lowering.registry import Context, rule_for
from lowering.one_layer import KERAS3, check, lower_alone, nothing, spec

SHAPES = {1: (2, 11, 4), 2: (2, 9, 8, 4), 3: (2, 6, 7, 5, 4)}
KINDS = ("Max", "Average")


def placed(shape: tuple[int, ...], data_format: str) -> tuple[int, ...]:
    return (shape[0], shape[-1], *shape[1:-1]) if data_format == "channels_first" else shape


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(
    "arguments",
    [
        {"pool_size": 2},
        {"pool_size": 3, "strides": 2, "padding": "same"},
        {"pool_size": 2, "strides": 1, "padding": "same"},
        {"pool_size": 3, "strides": 1},
    ],
    ids=str,
)
def test_window(rank: int, kind: str, data_format: str, arguments: dict[str, Any]) -> None:
    shape = placed(SHAPES[rank], data_format)
    check(f"{kind}Pooling{rank}D", shape, symbolic=(0, 2), data_format=data_format, **arguments)


@settings(max_examples=60)
@given(
    rank=st.integers(1, 3),
    data=st.data(),
    kind=st.sampled_from(KINDS),
    padding=st.sampled_from(["valid", "same"]),
)
def test_any_window(rank: int, data: st.DataObject, kind: str, padding: str) -> None:
    window = data.draw(st.tuples(*[st.integers(1, 5)] * rank))
    strides = data.draw(st.none() | st.tuples(*[st.integers(1, 4)] * rank))
    spatial = data.draw(st.tuples(*[st.integers(1, 12)] * rank))
    assume(padding == "same" or all(n >= w for n, w in zip(spatial, window, strict=True)))
    check(f"{kind}Pooling{rank}D", (2, *spatial, 3), pool_size=window, strides=strides, padding=padding)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_global(rank: int, kind: str, keepdims: bool, data_format: str) -> None:
    shape = placed(SHAPES[rank], data_format)
    check(f"Global{kind}Pooling{rank}D", shape, symbolic=(0, 2), keepdims=keepdims, data_format=data_format)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((2, 12, 3), 4),
        ((2, 11, 3), 4),
        ((2, 5, 3), 7),
        ((2, 10, 3), 4),
        ((2, 6, 3), 6),
        ((2, 9, 8, 3), (3, 2)),
        ((2, 9, 8, 3), (4, 5)),
        ((2, 9, 8, 3), (9, 3)),
        ((2, 6, 7, 5, 3), (3, 2, 4)),
        ((2, 6, 7, 5, 3), 2),
    ],
    ids=str,
)
def test_adaptive(kind: str, shape: tuple[int, ...], size: Any, data_format: str) -> None:
    name = f"Adaptive{kind}Pooling{len(shape) - 2}D"
    check(name, placed(shape, data_format), output_size=size, data_format=data_format)


@settings(max_examples=40)
@given(length=st.integers(2, 40), size=st.integers(1, 40))
def test_adaptive_windows_cover_everything_in_order(length: int, size: int) -> None:
    windows = adaptive_windows(length, size)
    assert windows[0][0] == 0
    assert windows[-1][1] == length
    widths = {end - start for start, end in windows}
    assert len(widths) <= 2
    assert min(widths) >= 1
    assert all(left[1] >= right[0] for left, right in itertools.pairwise(windows))


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("keepdims", [False, True])
def test_a_masked_mean(keepdims: bool, data_format: str) -> None:
    x = np.random.default_rng(8).normal(size=(2, 5, 3)).astype(np.float32)
    x[1, 3] = np.nan  # what is masked has no say, whatever it is
    mask = np.array([[1, 1, 0, 1, 0], [1, 1, 1, 0, 0]], bool)
    wanted = np.stack([row[kept].mean(axis=0) for row, kept in zip(x, mask, strict=True)])
    given = x if data_format == "channels_last" else np.ascontiguousarray(np.swapaxes(x, 1, 2))
    builder = Builder()
    value = builder.input("x", TensorType("float32", given.shape))
    flags = builder.input("mask", TensorType("bool", mask.shape))
    layer = spec("GlobalAveragePooling1D", data_format=data_format, keepdims=keepdims)
    context = Context(layer, builder, KERAS3, {"mask": flags}, nothing, nothing)
    result = rule_for(layer)(context, value)
    graph = Graph("one", [value, flags], [result], builder.nodes, ["x", "mask"], ["y"])
    (computed,) = evaluate(graph, [given, mask])
    assert computed.shape == (
        (2, 3) if not keepdims else (2, 1, 3) if data_format == "channels_last" else (2, 3, 1)
    )
    np.testing.assert_allclose(computed.reshape(2, 3), wanted, rtol=1e-5, atol=1e-6)


POOL = {"pool_size": [2, 2], "strides": None, "padding": "valid", "data_format": "channels_last"}
IMAGE = TensorType("float32", (1, 8, 8, 4))


def test_integers_have_a_maximum_too() -> None:
    image = np.arange(-8, 8, dtype=np.int32).reshape(1, 4, 4, 1)
    graph = lower_alone(
        spec("MaxPooling2D", **{**POOL, "padding": "same", "pool_size": 3}), TensorType("int32", image.shape)
    )
    (pooled,) = evaluate(graph, [image])
    np.testing.assert_array_equal(pooled[0, :, :, 0], [[-3, -1], [5, 7]])


def test_an_input_smaller_than_the_window_is_refused() -> None:
    with pytest.raises(LoweringError, match="too small for the window"):
        lower_alone(spec("MaxPooling2D", **{**POOL, "pool_size": 9}), IMAGE)


def test_an_adaptive_pool_of_unknown_length_is_refused() -> None:
    x = TensorType("float32", (1, symbol("time"), 4))
    with pytest.raises(LoweringError, match="needs known lengths"):
        lower_alone(spec("AdaptiveMaxPooling1D", output_size=3, data_format="channels_last"), x)
