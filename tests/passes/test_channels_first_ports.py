"""Inputs and outputs with channels first: what they say of their axes, and that nothing is left to transpose."""

from __future__ import annotations

import numpy as np

from kexport.ir import Graph, symbol
from kexport.ir.evaluate import evaluate
from kexport.passes import (
    channels_first_ports,
    constant_folding,
    fixpoint,
    fold_scale_shift,
    layout,
    run_passes,
    simplify,
)
from passes.building import BATCH, Net, counts, ops


def turned(net: Net, *outputs: object, inputs: bool = True, outputs_too: bool = True) -> Graph:
    graph = net.graph(*outputs)
    ports = channels_first_ports(inputs=inputs, outputs=outputs_too)
    run_passes(
        graph,
        [ports, layout("channels_first"), fixpoint(simplify, constant_folding, fold_scale_shift)],
    )
    return graph


def test_a_network_from_images_to_images_transposes_nothing() -> None:
    net = Net(BATCH, symbol("height"), symbol("width"), 3)
    x = net.op("mul", net.x, net.number(1 / 255))
    y = net.op("sigmoid", net.conv(net.op("relu", net.norm(net.conv(x, 8))), 2))
    before = net.graph(y).copy()
    graph = turned(net, y)
    assert "transpose" not in ops(graph)
    assert graph.input_axes == {"x": (0, 3, 1, 2)}
    assert set(graph.output_axes.values()) == {(0, 3, 1, 2)}
    assert graph.inputs[0].shape == (BATCH, 3, symbol("height"), symbol("width"))
    images = np.random.default_rng(0).normal(size=(2, 6, 5, 3)).astype(np.float32)
    (wanted,), (made,) = evaluate(before, [images]), evaluate(graph, [images.transpose(0, 3, 1, 2)])
    np.testing.assert_allclose(made.transpose(0, 2, 3, 1), wanted, rtol=1e-4, atol=1e-5)


def test_one_channel_and_one_dimension() -> None:
    for shape in ((BATCH, 8, 8, 1), (BATCH, symbol("time"), 4)):
        net = Net(*shape)
        graph = turned(net, net.op("relu", net.conv(net.x, 8)) if len(shape) == 4 else net.conv(net.x, 8))
        assert not {"transpose", "reshape", "expand_dims", "squeeze"} & set(ops(graph))
        assert graph.inputs[0].shape == (shape[0], shape[-1], *shape[1:-1])


def test_what_no_window_reads_or_makes_stays() -> None:
    net = Net(BATCH, 6, 6, 3)
    other = net.input(BATCH, 6, 6, 3)
    pooled = net.op("reduce_mean", net.conv(net.x, 4), axes=(1, 2))
    graph = turned(net, pooled, net.op("exp", other))
    assert list(graph.input_axes.values()) == [(0, 3, 1, 2)]
    assert graph.output_axes == {}
    assert graph.inputs[1].shape == (BATCH, 6, 6, 3)


def test_an_input_that_is_read_both_ways_is_transposed_for_the_other_reader() -> None:
    net = Net(BATCH, 4, 4, 3)
    y = net.op("add", net.flatten(net.conv(net.x, 3)), net.flatten(net.x))
    before = net.graph(y).copy()
    graph = turned(net, y)
    images = np.random.default_rng(0).normal(size=(2, 4, 4, 3)).astype(np.float32)
    (wanted,), (made,) = evaluate(before, [images]), evaluate(graph, [images.transpose(0, 3, 1, 2)])
    np.testing.assert_allclose(made, wanted, rtol=1e-4, atol=1e-5)


def test_a_channels_first_model_is_left_alone() -> None:
    net = Net(BATCH, 3, 6, 6, data_format="channels_first")
    graph = turned(net, net.conv(net.x, 4))
    assert graph.input_axes == {}
    assert graph.output_axes == {}


def test_only_what_is_asked_for() -> None:
    for inputs, outputs in ((True, False), (False, True)):
        net = Net(BATCH, 6, 6, 3)
        graph = turned(net, net.conv(net.x, 4), inputs=inputs, outputs_too=outputs)
        assert (bool(graph.input_axes), bool(graph.output_axes)) == (inputs, outputs)
        assert counts(graph)["transpose"] == 1
