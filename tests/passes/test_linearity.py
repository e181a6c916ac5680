"""The passes' work grows as the graph does: counted in function calls, which are the same on every machine."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType

import pytest

from kexport.ir import Graph, Value, symbol
from kexport.passes import (
    Pass,
    common_subexpressions,
    constant_folding,
    dead_code,
    fixpoint,
    fold_scale_shift,
    fuse_activation,
    fuse_pad,
    layout,
    lift_1d,
    run_passes,
    simplify,
)
from passes.building import BATCH, Net

PASSES: list[Pass] = [
    constant_folding,
    layout("channels_last"),
    lift_1d(),
    fixpoint(simplify, constant_folding, fuse_pad(only_same=True), fold_scale_shift),
    fuse_activation(["conv", "add"]),
    common_subexpressions,
    dead_code,
]


def residual_units(net: Net, count: int) -> Value:
    x = net.conv(net.x, 4)
    for _ in range(count):
        y = net.op("relu", net.norm(net.conv(x, 4)))
        x = net.op("add", x, net.norm(net.conv(y, 4)))
    return x


def chain_of_scales(net: Net, count: int) -> Value:
    x = net.op("tanh", net.x)
    for _ in range(count):
        x = net.norm(x)
    return x


def chain_of_views(net: Net, count: int) -> Value:
    x = net.x
    for _ in range(count):
        x = net.op("transpose", net.op("tanh", x), perm=(0, 2, 3, 1))
    return x


def one_value_read_by_all(net: Net, count: int) -> Value:
    x = net.op("relu", net.norm(net.conv(net.x, 4)))
    return net.op("concat", *(net.conv(x, 2) for _ in range(count)), axis=1)


def dense_block(net: Net, count: int) -> Value:
    x = net.conv(net.x, 4)
    for _ in range(count):
        x = net.op("concat", net.conv(net.op("relu", net.norm(net.conv(x, 2))), 2), x, axis=1)
        x = net.conv(x, 4, 1)
    return x


def calls_of(function: Callable[[], object]) -> int:
    """How many Python functions ``function`` calls."""
    calls = 0

    def profile(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        function()
    finally:
        sys.setprofile(before)
    return calls


@pytest.mark.parametrize(
    "build", [residual_units, chain_of_scales, chain_of_views, one_value_read_by_all, dense_block]
)
@pytest.mark.parametrize("shape", [(3, 8, 8), (3, symbol("length"))], ids=["images", "sequences"])
def test_work_is_linear_in_nodes(build: Callable[[Net, int], Value], shape: tuple[object, ...]) -> None:
    if build is chain_of_views:
        shape = (3, 8, 8)

    def work(count: int) -> tuple[int, int]:
        net = Net(BATCH, *shape, data_format="channels_first")
        graph: Graph = net.graph(build(net, count))
        return len(graph.nodes), calls_of(lambda: run_passes(graph, PASSES))

    small, few = work(25)
    large, many = work(100)
    assert many / few < 1.15 * large / small
