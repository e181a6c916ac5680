"""What constants alone determine is computed at export, and large weights are never held."""

from __future__ import annotations

import numpy as np

from kexport.ir import Array, Constant
from kexport.passes import constant_folding
from passes.building import Net, apply, ops


def test_constants_are_computed() -> None:
    net = Net(1, 4)
    two = net.op("add", net.number(1), net.number(1))
    graph = apply(net.graph(net.op("mul", net.x, net.op("exp", two))), constant_folding)
    assert ops(graph) == ["mul"]
    folded = graph.nodes[0].input(1).constant
    assert folded is not None
    assert folded.numpy() == np.float32(np.exp(np.float32(2)))


def test_a_large_constant_is_not_read() -> None:
    reads = []

    def read() -> Array:
        reads.append(1)
        return np.ones((300, 400), np.float32)

    net = Net(1, 300)
    big = net.builder.constant(Constant.lazy("float32", (300, 400), read))
    turned = net.op("transpose", net.op("mul", big, net.number(2)), perm=(1, 0))
    back = net.op("transpose", turned, perm=(1, 0))
    graph = net.graph(net.op("dense", net.x, back))
    assert constant_folding(graph)
    assert ops(graph) == ["dense"]
    assert not reads
    kernel = graph.nodes[0].input(1).constant
    assert kernel is not None
    assert kernel.is_lazy
    assert kernel.numpy().sum() == 2 * 300 * 400


def test_a_constant_that_would_make_the_artifact_larger_stays_computed() -> None:
    net = Net(1, 1000, 1000)
    wide = net.op("tile", net.weights(1, 1000), multiples=(1000, 1))
    assert ops(apply(net.graph(net.op("add", net.x, wide)), constant_folding)) == ["tile", "add"]


def test_several_outputs() -> None:
    net = Net(1, 4)
    left, right = net.builder.ops("split", net.weights(8), axis=0, sizes=(4, 4))
    graph = net.graph(net.op("mul", net.op("add", net.x, left), right))
    assert ops(apply(graph, constant_folding)) == ["add", "mul"]


def test_an_output_may_be_constant() -> None:
    net = Net(1, 4)
    graph = apply(net.graph(net.op("neg", net.number(3))), constant_folding)
    assert not graph.nodes
    assert graph.outputs[0].constant is not None
