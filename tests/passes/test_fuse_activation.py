"""Activations fused into the ops before them."""

from __future__ import annotations

import pytest

from kexport.ir import Value
from kexport.passes import fuse_activation
from passes.building import BATCH, Net, apply, ops

FUSE = fuse_activation(["conv", "add", "dense"])


@pytest.mark.parametrize(
    ("op", "attrs", "fused"),
    [
        ("relu", {}, "relu"),
        ("relu6", {}, "relu6"),
        ("clip", {"min": 0.0, "max": 6.0}, "relu6"),
        ("clip", {"min": 0.0}, "relu"),
        ("clip", {"min": -1, "max": 1}, "relu_n1_to_1"),
    ],
)
def test_an_activation_is_fused(op: str, attrs: dict[str, float], fused: str) -> None:
    net = Net(BATCH, 6, 6, 2)
    conv = net.conv(net.x, 4)
    out = net.op(op, conv, **attrs)
    net.layers = {"conv": conv, "act": out}
    graph = apply(net.graph(out), FUSE)
    assert ops(graph) == ["conv"]
    (node,) = graph.nodes
    assert node.attrs["activation"] == fused
    assert node.origin == "conv0"
    assert graph.layer_outputs == {"act": node.output}


def _two_readers(net: Net) -> list[Value]:
    conv = net.conv(net.x, 4)
    return [net.op("relu", conv), net.op("tanh", conv)]


def _output(net: Net) -> list[Value]:
    conv = net.conv(net.x, 4)
    return [net.op("relu", conv), conv]


def _other_op(net: Net) -> list[Value]:
    return [net.op("relu", net.op("maximum", net.x, net.number(-0.5)))]


def _other_bounds(net: Net) -> list[Value]:
    return [net.op("clip", net.conv(net.x, 4), min=0.0, max=5.0)]


def _fused_already(net: Net) -> list[Value]:
    return [net.op("relu6", net.op("add", net.x, net.x, activation="relu_n1_to_1"))]


@pytest.mark.parametrize("build", [_two_readers, _output, _other_op, _other_bounds, _fused_already])
def test_what_can_not_be_fused_stays(build) -> None:  # type: ignore[no-untyped-def]
    net = Net(BATCH, 6, 6, 2)
    graph = net.graph(*build(net))
    before = str(graph)
    assert str(apply(graph, FUSE)) == before


def test_only_the_given_activations_are_fused() -> None:
    net = Net(BATCH, 6, 6, 2)
    graph = net.graph(net.op("relu6", net.conv(net.x, 4)))
    assert ops(apply(graph, fuse_activation(["conv"], ["relu"]))) == ["conv", "relu6"]


def test_an_op_without_an_activation_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Received: \['softmax'\]"):
        fuse_activation(["conv", "softmax"])
