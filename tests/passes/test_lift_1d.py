"""Sequence networks in two dimensions: one expand_dims, one squeeze."""

from __future__ import annotations

import pytest

from kexport.ir import Value, symbol
from kexport.passes import Pass, fixpoint, fold_scale_shift, fuse_activation, layout, lift_1d, simplify
from passes.building import BATCH, Net, apply, counts, ops

SHAPES = {"reshape", "expand_dims", "squeeze", "transpose"}


def residual(net: Net, x: Value, dilation: int) -> Value:
    """BN, ReLU, dilated convolution, twice, and the sum: SpliceAI's residual unit."""
    inner = x
    for _ in range(2):
        inner = net.conv(net.op("relu", net.norm(inner)), 6, 5, dilation=dilation)
    return net.op("add", x, inner)


def spliceai(net: Net) -> Value:
    x = net.conv(net.x, 6, 1)
    skip = net.conv(x, 6, 1)
    for dilation in (1, 4):
        for _ in range(2):
            x = residual(net, x, dilation)
        skip = net.op("add", skip, net.conv(x, 6, 1))
    cropped = net.op("slice", skip, begin=(0, 5, 0), end=(None, -5, None), strides=(1, 1, 1))
    return net.op("softmax", net.conv(cropped, 3, 1), axis=2)


@pytest.mark.parametrize("length", [symbol("length"), 40])
def test_spliceai(length: object) -> None:
    net = Net(BATCH, length, 4)
    graph = apply(net.graph(spliceai(net)), lift_1d(), length=40)
    assert ops(graph)[0] == "expand_dims"
    assert ops(graph)[-1] == "squeeze"
    assert not SHAPES & set(ops(graph)[1:-1])
    assert not lift_1d()(graph)


def test_spliceai_whole() -> None:
    """What a pre-activation unit comes to: a mul, an add that carries the relu, a convolution."""
    net = Net(BATCH, symbol("length"), 4)
    passes: list[Pass] = [
        lift_1d(),
        fixpoint(simplify, fold_scale_shift),
        fuse_activation(["conv", "add", "mul"]),
    ]
    graph = apply(net.graph(spliceai(net)), *passes, length=40)
    seen = counts(graph)
    assert seen["conv"] == 13
    assert seen["relu"] == 0
    # A normalization after a convolution that only it reads goes into that; one after a sum stays.
    assert seen["mul"] == 4


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("length", [symbol("length"), 16])
def test_a_text_classifier(data_format: str, length: object) -> None:
    shape = (BATCH, length, 4) if data_format == "channels_last" else (BATCH, 4, length)
    net = Net(*shape, data_format=data_format)
    branches = [
        net.op("reduce_max", net.pool(net.op("relu", net.conv(net.x, 6, size))), axes=(axis,))
        for size in (3, 4, 5)
        for axis in [1 if data_format == "channels_last" else 2]
    ]
    graph = net.graph(net.dense(net.op("concat", *branches, axis=1), 2))
    graph = apply(graph, layout("channels_last"), lift_1d(), length=16)
    seen = counts(graph)
    assert seen["expand_dims"] == 1
    assert seen["squeeze"] + seen["reshape"] == 0
    assert seen["transpose"] == (data_format == "channels_first")


@pytest.mark.parametrize("op", ["depthwise_conv", "conv_transpose"])
def test_every_convolution(op: str) -> None:
    net = Net(BATCH, symbol("length"), 4)
    padding = "valid" if op == "depthwise_conv" else ((0, 1),)
    out = net.conv(
        net.conv(net.x, 8, 2, op=op, stride=2, padding=padding), 8, 3, padding=((2, 0),), op="conv"
    )
    graph = apply(net.graph(out), lift_1d())
    assert [op for op in ops(graph) if op in SHAPES] == ["expand_dims", "squeeze"]


@pytest.mark.parametrize("kind", ["max_pool", "avg_pool"])
def test_every_pool(kind: str) -> None:
    net = Net(BATCH, 9, 4)
    out = net.dense(net.flatten(net.pool(net.pool(net.x, kind, 3, padding="same"), kind)), 2)
    graph = apply(net.graph(out), lift_1d())
    # The reshape that the Flatten is takes the new dimension along.
    assert ops(graph) == ["expand_dims", kind, kind, "reshape", "dense"]


def test_a_dense_layer_a_step_works_beneath() -> None:
    net = Net(BATCH, symbol("length"), 4)
    x = net.op("softmax", net.dense(net.conv(net.x, 6), 5), axis=2)
    graph = apply(net.graph(net.conv(x, 2)), lift_1d())
    assert [op for op in ops(graph) if op in SHAPES] == ["expand_dims", "squeeze"]


def test_two_dimensions_are_left_alone() -> None:
    net = Net(BATCH, 8, 8, 4)
    graph = net.graph(net.conv(net.x, 6))
    assert not lift_1d()(graph)


def test_only_the_given_ops_are_lifted() -> None:
    net = Net(BATCH, 8, 4)
    graph = net.graph(net.pool(net.conv(net.x, 6)))
    assert ops(apply(graph, lift_1d(["conv"]))) == ["expand_dims", "conv", "squeeze", "max_pool"]
