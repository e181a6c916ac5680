"""Crops move before what computes, and only where that spares work."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kexport.ir import Graph, Value, symbol
from kexport.ir.evaluate import evaluate
from kexport.passes import crop_early, dead_code, run_passes
from passes.building import BATCH, Net

LENGTH = symbol("length")


def crop(net: Net, x: Value, before: int, after: int, axis: int = 1) -> Value:
    begin, end = [0] * x.rank, [None] * x.rank
    begin[axis], end[axis] = before, -after or None
    return net.op("slice", x, begin=tuple(begin), end=tuple(end), strides=(1,) * x.rank)


def run(net: Net, outputs: list[Value], shape: tuple[int, ...]) -> Graph:
    """The graph after the pass, its numbers checked."""
    graph = net.graph(*outputs)
    x = np.random.default_rng(3).normal(size=shape).astype("f4")
    before = evaluate(graph, [x])
    run_passes(graph, [crop_early, dead_code])
    for wanted, got in zip(before, evaluate(graph, [x]), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)
    return graph


def lengths(graph: Graph, op: str) -> list[str]:
    return [str(node.output.shape[1]) for node in graph.nodes if node.op == op]


def test_a_stack_of_convolutions_computes_what_is_kept() -> None:
    net = Net(BATCH, LENGTH, 4)
    first = net.op("relu", net.conv(net.x, 4, 11))
    second = net.conv(first, 4, 11, dilation=2)
    graph = run(net, [crop(net, second, 20, 20)], (2, 60, 4))
    assert lengths(graph, "conv") == ["length-20", "length-40"]
    assert all(node.attrs["padding"] == ((0, 0),) for node in graph.nodes if node.op == "conv")


def test_a_shortcut_takes_off_its_own_rest() -> None:
    net = Net(BATCH, LENGTH, 4)
    x = net.conv(net.x, 4, 1)
    y = net.op("add", net.conv(net.op("relu", x), 4, 9), x)
    graph = run(net, [crop(net, y, 10, 12)], (1, 50, 4))
    (add,) = [node for node in graph.nodes if node.op == "add"]
    assert str(add.output.shape[1]) == str(graph.outputs[0].shape[1])
    assert [node.op for node in graph.nodes].count("slice") == 2  # the input's, and the shortcut's


def test_what_another_reader_wants_whole_is_computed_whole() -> None:
    net = Net(BATCH, 40, 4)
    x = net.conv(net.x, 4, 3)
    graph = run(net, [x, crop(net, x, 5, 5)], (1, 40, 4))
    assert lengths(graph, "conv") == ["40"]


def test_padding_goes_first() -> None:
    net = Net(BATCH, 40, 4)
    graph = run(net, [crop(net, net.conv(net.x, 4, 7), 1, 2)], (1, 40, 4))
    (conv,) = [node for node in graph.nodes if node.op == "conv"]
    assert conv.attrs["padding"] == ((2, 1),)


def test_a_crop_that_would_only_be_copied_more_often_stays() -> None:
    net = Net(BATCH, 40, 4)
    x = net.op("relu", net.x)
    y = net.op("add", net.op("tanh", x), net.op("abs", x))
    graph = net.graph(crop(net, y, 1, 0), net.op("sigmoid", x))
    before = str(graph)
    assert not crop_early(graph)
    assert str(graph) == before


def test_layers_that_are_no_longer_computed_whole_are_not_told_of() -> None:
    net = Net(BATCH, 64, 4)
    x = net.conv(net.x, 4, 3)
    y = crop(net, x, 9, 9)
    graph = net.graph(y)
    graph.layer_outputs = {"conv": x, "crop": y}
    run_passes(graph, [crop_early, dead_code])
    assert list(graph.layer_outputs) == ["crop"]
    assert graph.layer_outputs["crop"] is graph.outputs[0]


BODIES = [
    "conv",
    "strided",
    "relu",
    "add",
    "max_pool",
    "avg_pool",
    "pad",
    "concat",
    "dense",
    "softmax",
    "depthwise",
    "crop",
]


@pytest.mark.parametrize("dynamic", [False, True])
@settings(max_examples=80, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_numbers_stay(dynamic: bool, data: st.DataObject) -> None:
    net = Net(BATCH, LENGTH if dynamic else 48, 4)
    values = [net.x]
    for kind in data.draw(st.lists(st.sampled_from(BODIES), min_size=2, max_size=7)):
        x = data.draw(st.sampled_from(values[-2:]))
        values.append(step(net, kind, x, values, data))
    before, after = data.draw(st.tuples(st.integers(0, 4), st.integers(0, 4)))
    run(
        net,
        [crop(net, values[-1], before, after), values[data.draw(st.integers(0, len(values) - 1))]],
        (2, 48, 4),
    )


def step(net: Net, kind: str, x: Value, values: list[Value], data: st.DataObject) -> Value:
    size = data.draw(st.integers(1, 4))
    window: dict[str, Any] = {"window": (size,), "strides": (1,), "padding": "same"}
    alike = [value for value in values if value.shape == x.shape]
    match kind:
        case "conv":
            return net.conv(x, 4, size, dilation=data.draw(st.integers(1, 2)))
        case "strided":
            return net.conv(x, 4, size, padding=((1, 0),))
        case "max_pool" | "avg_pool":
            return net.op(kind, x, **window)
        case "pad":
            return net.op("pad", x, pads=((0, 0), (size, 1), (0, 0)), value=0.5)
        case "concat":
            return net.conv(net.op("concat", x, data.draw(st.sampled_from(alike)), axis=2), 4, 1)
        case "add":
            return net.op("add", x, data.draw(st.sampled_from(alike)))
        case "dense":
            return net.op("dense", x, net.weights(4, 4), net.weights(4))
        case "softmax":
            return net.op("softmax", x, axis=data.draw(st.integers(1, 2)))
        case "depthwise":
            kernel = net.weights(size, 4, 1)
            return net.op("depthwise_conv", x, kernel, strides=(1,), padding="same", dilations=(1,))
        case "crop":
            return crop(net, x, 1, data.draw(st.integers(0, 2)))
        case _:
            return net.op(kind, x)
