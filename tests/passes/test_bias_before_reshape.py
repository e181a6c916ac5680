"""An addition after a reshape becomes a dense layer's bias where it is over just the features."""

from __future__ import annotations

import numpy as np
import pytest

from kexport.ir import Constant, Value
from kexport.passes import bias_before_reshape
from passes.building import Net, apply, counts


def heads(net: Net, *, shape: tuple[int, ...] = (2, 3, 4, 2)) -> Value:
    return net.op("reshape", net.dense(net.x, 8, bias=False), shape=shape)


@pytest.mark.parametrize("first", [True, False])
def test_the_bias_of_heads(first: bool) -> None:
    net = Net(6, 6)
    seen, bias = heads(net), net.weights(4, 2)
    graph = net.graph(net.op("add", *((seen, bias) if first else (bias, seen))))
    assert counts(apply(graph, bias_before_reshape)) == {"dense": 1, "reshape": 1}


def test_a_lazy_bias_stays_lazy() -> None:
    net = Net(6, 6)
    read = Constant.lazy("float32", (4, 2), lambda: np.ones((4, 2), np.float32))
    graph = net.graph(net.op("add", heads(net), net.builder.constant(read)))
    assert bias_before_reshape(graph)
    (dense,) = (node for node in graph.nodes if node.op == "dense")
    constant = dense.input(2).constant
    assert constant is not None
    assert constant.is_lazy


def test_other_additions_stay() -> None:
    def over_time(net: Net) -> Value:
        return net.op("add", heads(net), net.weights(3, 4, 2))

    def over_the_last(net: Net) -> Value:
        return net.op("add", heads(net), net.weights(2))

    def read_twice(net: Net) -> Value:
        seen = heads(net)
        return net.op("add", net.op("add", seen, net.weights(4, 2)), seen)

    def taken_apart_elsewhere(net: Net) -> Value:
        return net.op("add", heads(net, shape=(2, 3, 2, 4)), net.weights(1, 4))

    for make in (over_time, over_the_last, read_twice, taken_apart_elsewhere):
        net = Net(6, 6)
        graph = net.graph(make(net))
        assert not bias_before_reshape(graph), make.__name__
