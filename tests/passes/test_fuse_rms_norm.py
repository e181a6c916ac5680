"""What divides by the root of a mean square becomes one op, whoever spelled it out."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kexport.ir import Value
from kexport.passes import fuse_rms_norm
from passes.building import BATCH, Net, apply, counts, ops


def mean(net: Net, squares: Value, axes: tuple[int, ...] = (2,)) -> Value:
    power = net.op("reduce_mean", squares, axes=axes, keepdims=True)
    return net.op("add", power, net.number(1e-6))


def by_rsqrt(net: Net) -> Value:
    return net.op("mul", net.x, net.op("rsqrt", mean(net, net.op("square", net.x))))


def by_sqrt(net: Net) -> Value:
    return net.op("div", net.x, net.op("sqrt", mean(net, net.op("mul", net.x, net.x))))


def by_power(net: Net) -> Value:
    root = net.op("rsqrt", mean(net, net.op("pow", net.x, net.number(2.0))))
    return net.op("mul", root, net.x)


@pytest.mark.parametrize("spelled", [by_rsqrt, by_sqrt, by_power])
@pytest.mark.parametrize("shape", [None, (6,), (1, 1, 6), (1, 6)])
def test_with_the_scale_after_it(spelled: Callable[[Net], Value], shape: tuple[int, ...] | None) -> None:
    net = Net(BATCH, 5, 6)
    normal = spelled(net)
    graph = net.graph(normal if shape is None else net.op("mul", normal, net.weights(*shape)))
    apply(graph, fuse_rms_norm)
    (node,) = graph.nodes
    assert (node.op, node.attrs["axes"]) == ("rms_norm", (2,))
    assert (node.inputs[1] is None) == (shape is None)


def test_over_several_axes() -> None:
    net = Net(BATCH, 5, 6)
    root = net.op("rsqrt", mean(net, net.op("square", net.x), axes=(1, 2)))
    graph = net.graph(net.op("mul", net.op("mul", net.x, root), net.weights(5, 6)))
    assert ops(apply(graph, fuse_rms_norm)) == ["rms_norm"]


def test_a_scale_of_another_shape_stays_a_product() -> None:
    net = Net(BATCH, 5, 6)
    graph = net.graph(net.op("mul", by_rsqrt(net), net.weights(5, 6)))
    assert counts(apply(graph, fuse_rms_norm)) == {"rms_norm": 1, "mul": 1}


def test_what_is_read_elsewhere_or_of_another_tensor_stays() -> None:
    def read_twice(net: Net) -> list[Value]:
        root = net.op("rsqrt", mean(net, net.op("square", net.x)))
        return [net.op("mul", net.x, root), root]

    def of_another(net: Net) -> list[Value]:
        return [net.op("mul", net.op("exp", net.x), net.op("rsqrt", mean(net, net.op("square", net.x))))]

    def a_vector_of_epsilons(net: Net) -> list[Value]:
        power = net.op("reduce_mean", net.op("square", net.x), axes=(2,), keepdims=True)
        return [net.op("mul", net.x, net.op("rsqrt", net.op("add", power, net.weights(5, 1))))]

    def a_sum(net: Net) -> list[Value]:
        total = net.op("reduce_sum", net.op("square", net.x), axes=(2,), keepdims=True)
        return [net.op("mul", net.x, net.op("rsqrt", net.op("add", total, net.number(1e-6))))]

    for make in (read_twice, of_another, a_vector_of_epsilons, a_sum):
        net = Net(BATCH, 5, 6)
        assert not fuse_rms_norm(net.graph(*make(net))), make.__name__
