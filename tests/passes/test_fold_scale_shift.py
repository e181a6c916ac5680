"""Scales and shifts taken up into kernels and biases, wherever that is exact, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from kexport.ir import Array, Constant, Value, symbol
from kexport.ir.evaluate import evaluate
from kexport.passes import fold_scale_shift
from passes.building import BATCH, Net, apply, arrays_for, ops

BUILD = Callable[[Net], Value]


def _before_relu(net: Net) -> Value:
    return net.op("relu", net.norm(net.conv(net.x, 4)))


#: name → (graph, ops left)
FOLDED: dict[str, tuple[BUILD, list[str]]] = {
    "conv": (lambda n: n.norm(n.conv(n.x, 4)), ["conv"]),
    "conv without bias": (lambda n: n.norm(n.conv(n.x, 4, bias=False)), ["conv"]),
    "strided, dilated": (lambda n: n.norm(n.conv(n.conv(n.x, 4, stride=2), 4, dilation=2)), ["conv", "conv"]),
    "depthwise": (lambda n: n.norm(n.conv(n.x, 8, op="depthwise_conv")), ["depthwise_conv"]),
    "grouped": (lambda n: n.norm(n.conv(n.x, 8, groups=2)), ["conv"]),
    "transposed": (
        lambda n: n.norm(n.conv(n.x, 6, op="conv_transpose", padding=((0, 1), (0, 1)))),
        ["conv_transpose"],
    ),
    "before a relu": (_before_relu, ["conv", "relu"]),
    "twice": (lambda n: n.norm(n.norm(n.conv(n.x, 4))), ["conv"]),
    "scalar": (lambda n: n.op("div", n.op("mul", n.conv(n.x, 4), n.number(3)), n.number(7)), ["conv"]),
    "sub and div": (
        lambda n: n.op("div", n.op("sub", n.conv(n.x, 4), n.per_channel(n.x)), n.per_channel(n.x)),
        ["conv"],
    ),
    "constant first": (lambda n: n.op("sub", n.number(2), n.conv(n.x, 4)), ["conv"]),
    "through an average pool": (lambda n: n.norm(n.pool(n.conv(n.x, 4), "avg_pool")), ["conv", "avg_pool"]),
    "through a maximum, positive": (
        lambda n: n.norm(n.pool(n.conv(n.x, 4), padding="same"), positive=True),
        ["conv", "max_pool"],
    ),
    "through a mirrored pad": (
        lambda n: n.norm(n.op("pad", n.conv(n.x, 4), pads=((0, 0), (1, 1), (2, 0), (0, 0)), mode="reflect")),
        ["conv", "pad"],
    ),
    "through a pad, by number": (
        lambda n: n.op(
            "add", n.op("pad", n.conv(n.x, 4), pads=((0, 0), (1, 1), (2, 0), (0, 0))), n.number(5)
        ),
        ["conv", "pad"],
    ),
    # The pad's zeros would each become another number: the shift stays.
    "through a pad, a number a channel": (
        lambda n: n.norm(n.op("pad", n.conv(n.x, 4), pads=((0, 0), (1, 1), (2, 0), (0, 0)))),
        ["conv", "pad", "add"],
    ),
    "through a slice": (
        lambda n: n.norm(
            n.op("slice", n.conv(n.x, 4), begin=(0, 1, 1, 0), end=(None,) * 4, strides=(1, 2, 1, 1))
        ),
        ["conv", "slice"],
    ),
    "through a resize": (
        lambda n: n.norm(n.op("resize", n.conv(n.x, 4), size=(12, 12), method="bilinear")),
        ["conv", "resize"],
    ),
    "forwards, unpadded": (lambda n: n.conv(n.norm(n.x), 3, padding="valid"), ["conv"]),
    "forwards, 1x1 same": (lambda n: n.conv(n.norm(n.x), 3, 1), ["conv"]),
    "forwards, depthwise": (
        lambda n: n.conv(n.norm(n.x), 8, op="depthwise_conv", padding="valid"),
        ["depthwise_conv"],
    ),
    "forwards, grouped": (lambda n: n.conv(n.norm(n.x), 6, groups=2, padding="valid"), ["conv"]),
    "forwards, grouped, no bias": (
        lambda n: n.conv(n.norm(n.x), 6, groups=2, padding="valid", bias=False),
        ["conv"],
    ),
    "forwards, scale only, padded": (lambda n: n.conv(n.op("mul", n.x, n.per_channel(n.x)), 3), ["conv"]),
    "forwards, scale only, transposed": (
        lambda n: n.conv(
            n.op("mul", n.x, n.per_channel(n.x)), 6, op="conv_transpose", padding=((0, 1), (0, 1))
        ),
        ["conv_transpose"],
    ),
    "forwards, dense": (lambda n: n.dense(n.norm(n.x), 3), ["dense"]),
    "forwards, dense after flatten": (lambda n: n.dense(n.flatten(n.norm(n.x)), 3), ["reshape", "dense"]),
    "forwards, dense after flatten, no bias": (
        lambda n: n.dense(n.flatten(n.norm(n.x)), 3, bias=False),
        ["reshape", "dense"],
    ),
    "forwards, per feature": (lambda n: n.dense(n.norm(n.flatten(n.x)), 3), ["reshape", "dense"]),
    "both sides": (
        lambda n: n.conv(n.norm(n.op("relu", n.norm(n.conv(n.x, 4)))), 4, padding="valid"),
        ["conv", "relu", "conv"],
    ),
    "backwards rather than forwards": (lambda n: n.conv(n.norm(n.conv(n.x, 4)), 4), ["conv", "conv"]),
    # Padding takes the shift's place, so it stays; the scale need not.
    "forwards, padded": (lambda n: n.conv(n.norm(n.x), 3), ["add", "conv"]),
    "forwards, through a pad": (
        lambda n: n.conv(n.op("pad", n.norm(n.x), pads=((0, 0), (1, 1), (1, 1), (0, 0))), 3, padding="valid"),
        ["add", "pad", "conv"],
    ),
    "a chain alone": (lambda n: n.norm(n.norm(n.x)), ["mul", "add"]),
    "numbers alone": (lambda n: n.op("add", n.op("sub", n.x, n.number(2)), n.number(3)), ["add"]),
    "what cancels": (lambda n: n.op("div", n.op("mul", n.x, n.number(4)), n.number(4)), []),
    "division": (lambda n: n.op("div", n.x, n.per_channel(n.x)), ["mul"]),
}

#: name → graph that stays as it is
KEPT: dict[str, BUILD] = {
    "pre-activation": lambda n: n.conv(n.op("relu", n.norm(n.x)), 4),
    "maximum of negatives": lambda n: n.norm(n.pool(n.conv(n.x, 4))),
    "two readers": lambda n: n.op("maximum", n.op("mul", c := n.conv(n.x, 4), n.per_channel(c)), c),
    "a residual join": lambda n: n.norm(n.op("add", n.conv(n.x, 4), n.conv(n.x, 4))),
    "along another axis": lambda n: n.op("mul", n.conv(n.x, 4), n.weights(6, 1)),
    "a whole image": lambda n: n.op("mul", n.conv(n.x, 4), n.weights(6, 6, 4)),
    "an activation between": lambda n: n.norm(n.op("add", n.conv(n.x, 4), n.number(1), activation="relu")),
    "shift alone before padding": lambda n: n.conv(n.op("add", n.x, n.per_channel(n.x)), 3),
    "a zero scale before padding": lambda n: n.conv(
        n.op("add", n.op("mul", n.x, n.builder.constant([1, 0, 2, 3], "float32")), n.number(1)), 3
    ),
    "padded average": lambda n: n.op(
        "avg_pool",
        n.op("add", n.x, n.number(1)),
        window=(3, 3),
        strides=(1, 1),
        padding="same",
        count_include_pad=True,
    ),
}


#: Ops whose attributes are written for channels_last in the table.
ONE_FORMAT = {"pad", "slice", "resize", "dense"}
CASES = [(name, "channels_last") for name in FOLDED]
CASES += [(name, "channels_first") for name, (_, left) in FOLDED.items() if not ONE_FORMAT & set(left)]


@pytest.mark.parametrize(("name", "data_format"), CASES)
def test_folded(name: str, data_format: str) -> None:
    build, left = FOLDED[name]
    net = Net(BATCH, *((6, 6, 4) if data_format == "channels_last" else (4, 6, 6)), data_format=data_format)
    graph = apply(net.graph(build(net)), fold_scale_shift)
    assert ops(graph) == left
    assert not fold_scale_shift(graph)


@pytest.mark.parametrize("name", KEPT)
def test_kept(name: str) -> None:
    net = Net(BATCH, 6, 6, 4)
    graph = net.graph(KEPT[name](net))
    before = str(graph)
    assert str(apply(graph, fold_scale_shift)) == before


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_every_spatial_rank_and_dynamic_lengths(rank: int) -> None:
    net = Net(BATCH, *(symbol(f"length{i}") for i in range(rank)), 2)
    graph = apply(net.graph(net.norm(net.conv(net.conv(net.x, 4), 3))), fold_scale_shift, length=5)
    assert ops(graph) == ["conv", "conv"]


def test_the_origin_is_the_convolution_and_the_layer_output_the_normalization() -> None:
    net = Net(BATCH, 6, 6, 2)
    conv = net.conv(net.x, 4)
    out = net.norm(conv)
    net.layers = {"conv": conv, "norm": out}
    graph = apply(net.graph(out), fold_scale_shift)
    assert graph.nodes[0].origin == "conv0"
    assert graph.layer_outputs == {"norm": graph.nodes[0].output}


def test_a_large_mean_is_subtracted_before_it_is_scaled() -> None:
    """(x - 2000) / 0.5 is not x * 2 - 4000: float32 would lose what is left of x."""
    net = Net(BATCH, 3)
    centred = net.op("sub", net.x, net.builder.constant([2000, 1, 2], "float32"))
    graph = net.graph(net.dense(net.op("div", centred, net.builder.constant([0.5, 1, 2], "float32")), 4))
    arrays = [np.asarray([[2000.1, 1, 2], [1999.7, 2, 3]], np.float32)]
    (before,) = evaluate(graph, arrays)
    fold_scale_shift(graph)
    assert ops(graph) == ["add", "dense"]
    np.testing.assert_allclose(evaluate(graph, arrays)[0], before, rtol=1e-6)


def test_kernels_are_scaled_when_they_are_read() -> None:
    reads = []

    def read() -> Array:
        reads.append(1)
        return np.ones((64, 32), np.float32)

    net = Net(BATCH, 64)
    kernel = net.builder.constant(Constant.lazy("float32", (64, 32), read))
    out = net.op("dense", net.op("mul", net.x, net.weights(64)), kernel)
    graph = net.graph(net.norm(out))
    assert fold_scale_shift(graph)
    assert ops(graph) == ["dense"]
    assert not reads
    made = graph.nodes[0].input(1).constant
    assert made is not None
    assert made.is_lazy
    assert made.numpy().shape == (64, 32)


def test_a_kernel_is_rounded_once_a_side() -> None:
    """Seven foldings one after the other leave the kernel within an ulp of the exact product."""
    net = Net(BATCH, 5)
    out = net.dense(net.x, 4, bias=False)
    kernel = net.builder.nodes[0].input(1).constant
    assert kernel is not None
    exact = kernel.numpy().astype(np.float64)
    for _ in range(7):
        scale = net.weights(4)
        assert scale.constant is not None
        exact = exact * scale.constant.numpy()
        out = net.op("mul", out, scale)
    graph = net.graph(out)
    fold_scale_shift(graph)
    folded = graph.nodes[0].input(1).constant
    assert folded is not None
    assert np.array_equal(folded.numpy(), exact.astype(np.float32))


def test_a_shared_layer_goes_on_sharing_its_weights() -> None:
    net = Net(BATCH, 6, 6, 4)
    kernel, scale, shift = net.weights(3, 3, 4, 5), net.weights(5), net.weights(5)
    outputs = []
    for x in (net.x, net.op("tanh", net.x)):
        attrs = {"strides": (1, 1), "padding": "same", "dilations": (1, 1)}
        conv = net.op("conv", x, kernel, **attrs)
        # A normalization's vectors are computed anew for each call.
        again = [net.builder.constant(v.constant.numpy().copy()) for v in (scale, shift) if v.constant]
        outputs.append(net.op("add", net.op("mul", conv, again[0]), again[1]))
    graph = apply(net.graph(*outputs), fold_scale_shift)
    first, second = (node for node in graph.nodes if node.op == "conv")
    assert first.inputs[1:] == second.inputs[1:]


def test_inputs_are_left_alone() -> None:
    """The fused node computes what it did for arrays that no constant was made from."""
    net = Net(BATCH, 6, 6, 4)
    graph = net.graph(net.norm(net.conv(net.x, 4)))
    arrays = arrays_for(graph)
    copies = [array.copy() for array in arrays]
    fold_scale_shift(graph)
    evaluate(graph, arrays)
    assert all(np.array_equal(a, b) for a, b in zip(arrays, copies, strict=True))
