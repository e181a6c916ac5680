"""Pads that window ops do themselves."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from kexport.ir import Value, symbol
from kexport.passes import fuse_pad
from passes.building import BATCH, Net, apply, ops


def pads(*pairs: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    return ((0, 0), *pairs, (0, 0))


def padded(net: Net, *pairs: tuple[int, int], value: float = 0.0, x: Value | None = None) -> Value:
    return net.op("pad", net.x if x is None else x, pads=pads(*pairs), value=value)


#: name → (spatial size, graph, op, padding of the fused op)
FUSED: dict[str, tuple[int, Callable[[Net], Value], str, object]] = {
    "MobileNet's stem": (
        8,
        lambda n: n.conv(padded(n, (0, 1), (0, 1)), 4, stride=2, padding="valid"),
        "conv",
        "same",
    ),
    "ResNet's stem": (
        8,
        lambda n: n.conv(padded(n, (3, 3), (3, 3)), 4, 7, stride=2, padding="valid"),
        "conv",
        ((3, 3), (3, 3)),
    ),
    "stride 1": (7, lambda n: n.conv(padded(n, (1, 1), (1, 1)), 4, padding="valid"), "conv", "same"),
    "depthwise": (
        8,
        lambda n: n.conv(padded(n, (0, 1), (0, 1)), 4, stride=2, padding="valid", op="depthwise_conv"),
        "depthwise_conv",
        "same",
    ),
    "into same": (8, lambda n: n.conv(padded(n, (1, 0), (1, 0)), 4), "conv", ((2, 1), (2, 1))),
    "dilated": (
        8,
        lambda n: n.conv(padded(n, (2, 2), (2, 2)), 4, dilation=2, padding="valid"),
        "conv",
        "same",
    ),
    "average": (
        8,
        lambda n: n.pool(padded(n, (1, 0), (0, 1)), "avg_pool"),
        "avg_pool",
        ((1, 0), (0, 1)),
    ),
    "maximum of minus infinity": (
        8,
        lambda n: n.pool(padded(n, (1, 1), (1, 1), value=-math.inf), window=3),
        "max_pool",
        ((1, 1), (1, 1)),
    ),
}


@pytest.mark.parametrize("name", FUSED)
def test_fused(name: str) -> None:
    size, build, op, padding = FUSED[name]
    net = Net(BATCH, size, size, 4)
    graph = apply(net.graph(build(net)), fuse_pad())
    assert ops(graph) == [op]
    assert graph.nodes[0].attrs["padding"] == padding
    assert not fuse_pad()(graph)


@pytest.mark.parametrize("name", FUSED)
def test_only_same(name: str) -> None:
    size, build, op, padding = FUSED[name]
    net = Net(BATCH, size, size, 4)
    graph = apply(net.graph(build(net)), fuse_pad(["conv", "depthwise_conv", "max_pool"], only_same=True))
    assert ops(graph) == ([op] if padding == "same" else ["pad", op])


def test_an_average_counts_what_was_padded() -> None:
    net = Net(BATCH, 8, 8, 4)
    graph = apply(net.graph(net.pool(padded(net, (1, 1), (1, 1)), "avg_pool")), fuse_pad())
    assert graph.nodes[0].attrs["count_include_pad"]


@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
def test_a_maximum_takes_zeros_where_nothing_is_negative(activation: str) -> None:
    net = Net(BATCH, 8, 8, 4)
    out = net.pool(padded(net, (1, 1), (1, 1), x=net.op(activation, net.x)), window=3)
    assert ops(apply(net.graph(out), fuse_pad())) == [activation, "max_pool"]


KEPT: dict[str, Callable[[Net], Value]] = {
    "a maximum of negatives": lambda n: n.pool(padded(n, (1, 1), (1, 1)), window=3),
    "a window of padding alone": lambda n: n.pool(padded(n, (2, 2), (2, 2), x=n.op("relu", n.x))),
    "ones": lambda n: n.conv(padded(n, (1, 1), (1, 1), value=1.0), 4, padding="valid"),
    "mirrored": lambda n: n.conv(
        n.op("pad", n.x, pads=pads((1, 1), (1, 1)), mode="reflect"), 4, padding="valid"
    ),
    "channels": lambda n: n.conv(n.op("pad", n.x, pads=((0, 0), (0, 0), (0, 0), (1, 0))), 4, padding="valid"),
    "an average that does not count its own": lambda n: n.op(
        "avg_pool", padded(n, (1, 1), (1, 1)), window=(3, 3), strides=(1, 1), padding=((1, 1), (1, 1))
    ),
    "two readers": lambda n: n.op(
        "add", n.conv(p := padded(n, (1, 1), (1, 1)), 4, padding="valid"), n.pool(p, window=3, stride=1)
    ),
}


@pytest.mark.parametrize("name", KEPT)
def test_kept(name: str) -> None:
    net = Net(BATCH, 8, 8, 4)
    graph = net.graph(KEPT[name](net))
    before = [op for op in ops(graph) if op == "pad"]
    assert [op for op in ops(apply(graph, fuse_pad())) if op == "pad"] == before


@pytest.mark.parametrize(("stride", "fused"), [(1, "same"), (2, ((0, 1),))])
def test_unknown_lengths(stride: int, fused: object) -> None:
    """A stride of 1 pads alike at every length; another one does not, so that the pairs stay."""
    net = Net(BATCH, symbol("length"), 4)
    graph = apply(net.graph(net.conv(padded(net, (0, 1)), 4, 2, stride=stride, padding="valid")), fuse_pad())
    assert ops(graph) == ["conv"]
    assert graph.nodes[0].attrs["padding"] == fused


def test_a_same_of_unknown_length_and_stride_keeps_its_pad() -> None:
    net = Net(BATCH, symbol("length"), 4)
    graph = net.graph(net.conv(padded(net, (0, 1)), 4, 2, stride=2))
    assert ops(apply(graph, fuse_pad())) == ["pad", "conv"]


def test_explicit_pads_are_called_same() -> None:
    net = Net(BATCH, 8, 8, 4)
    graph = apply(net.graph(net.conv(net.x, 4, padding=((1, 1), (1, 1)))), fuse_pad())
    assert graph.nodes[0].attrs["padding"] == "same"


def test_a_same_that_pads_nothing_is_zeros() -> None:
    net = Net(BATCH, 8, 8, 4)
    graph = apply(net.graph(net.conv(net.x, 4, 1)), fuse_pad())
    assert graph.nodes[0].attrs["padding"] == ((0, 0), (0, 0))


def test_channels_first() -> None:
    net = Net(BATCH, 4, 8, 8, data_format="channels_first")
    pad = net.op("pad", net.x, pads=((0, 0), (0, 0), (0, 1), (0, 1)))
    assert ops(apply(net.graph(net.conv(pad, 4, stride=2, padding="valid")), fuse_pad())) == ["conv"]
