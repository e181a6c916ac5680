"""What is computed twice is computed once."""

from __future__ import annotations

from kexport.passes import common_subexpressions
from passes.building import BATCH, Net, apply, ops


def test_equal_nodes_are_one() -> None:
    net = Net(BATCH, 6, 4)
    left, right = (net.op("transpose", net.x, perm=(0, 2, 1)) for _ in range(2))
    graph = apply(net.graph(net.op("add", left, net.op("tanh", right))), common_subexpressions)
    assert ops(graph) == ["transpose", "tanh", "add"]


def test_small_constants_are_compared_and_large_ones_not() -> None:
    net = Net(BATCH, 100)
    small = [net.op("add", net.x, net.number(3)) for _ in range(2)]
    large = [net.op("mul", net.x, net.builder.constant([1.5] * 100, "float32")) for _ in range(2)]
    graph = apply(net.graph(*small, *large), common_subexpressions)
    assert ops(graph) == ["add", "mul", "mul"]


def test_other_attributes_are_other_nodes() -> None:
    net = Net(BATCH, 6, 4)
    graph = net.graph(
        *(net.op("softmax", net.x, axis=axis) for axis in (1, 2)),
        net.op("add", net.x, net.number(1)),
        net.op("add", net.x, net.number(2)),
    )
    assert not common_subexpressions(graph)
