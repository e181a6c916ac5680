"""A channels_first network becomes a channels_last one, with one transpose at its input and none inside."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kexport.ir import GraphError, Value, symbol
from kexport.passes import Pass, fixpoint, fold_scale_shift, layout, run_passes, simplify
from kexport.passes.layout import window_ops_are
from passes.building import BATCH, Net, apply, counts, ops


def first(*shape: object) -> Net:
    return Net(*shape, data_format="channels_first")


def block(net: Net, x: Value, out: int, *, stride: int = 1, window: int = 3) -> Value:
    return net.op("relu", net.norm(net.conv(x, out, window, stride=stride)))


def resnet(net: Net) -> Value:
    x = net.op("pad", net.x, pads=((0, 0), (0, 0), (3, 3), (3, 3)))
    x = net.op("relu", net.norm(net.conv(x, 8, 7, stride=2, padding="valid")))
    x = net.pool(net.op("pad", x, pads=((0, 0), (0, 0), (1, 1), (1, 1))), window=3)
    for _ in range(2):
        short = net.norm(net.conv(x, 8, 1))
        x = net.op("relu", net.op("add", short, net.norm(net.conv(block(net, x, 4), 8))))
    return net.op("softmax", net.dense(net.op("reduce_mean", x, axes=(2, 3)), 5), axis=1)


def densenet(net: Net) -> Value:
    x = net.conv(net.x, 4)
    for _ in range(3):
        grown = net.conv(net.op("relu", net.norm(x)), 4)
        x = net.op("concat", x, grown, axis=1)
    x = net.pool(net.conv(net.op("relu", net.norm(x)), 4, 1), "avg_pool")
    return net.dense(net.flatten(net.op("relu", net.norm(x))), 5)


def inception(net: Net) -> Value:
    x = block(net, net.x, 4)
    branches = [block(net, x, 2, window=1), block(net, block(net, x, 2, window=1), 4)]
    branches.append(block(net, net.pool(x, "avg_pool", 3, stride=1, padding="same"), 2, window=1))
    x = net.op("concat", *branches, axis=1)
    return net.dense(net.op("reduce_max", x, axes=(2, 3), keepdims=False), 5)


def squeeze_excite(net: Net) -> Value:
    x = block(net, net.x, 8)
    gate = net.op("reshape", net.op("reduce_mean", x, axes=(2, 3)), shape=(BATCH, 8, 1, 1))
    gate = net.op("sigmoid", net.conv(net.op("relu", net.conv(gate, 2, 1)), 8, 1))
    return net.dense(net.flatten(net.op("mul", x, gate)), 5)


def two_flattens(net: Net) -> Value:
    x = block(net, net.x, 4)
    left, right = net.flatten(net.pool(x)), net.flatten(net.conv(x, 3))
    joined = net.op("concat", left, right, net.op("reduce_mean", x, axes=(2, 3)), axis=1)
    joined = net.op("relu", net.op("mul", joined, net.weights(int(str(joined.shape[1])))))
    return net.dense(joined, 5)


def per_location(net: Net) -> Value:
    """A scale for every place of the image, a prelu, an upsampling, a crop: constants of all ranks."""
    x = net.op("mul", net.conv(net.x, 4), net.weights(4, 12, 12))
    x = net.op("prelu", x, net.weights(4, 1, 1))
    x = net.op("resize", x, size=(24, 24), method="nearest", data_format="channels_first")
    x = net.op("slice", x, begin=(0, 0, 2, 3), end=(None, None, -2, -1), strides=(1, 1, 1, 1))
    x = net.op("maximum", x, net.weights(1, 4, 1, 1))
    return net.dense(net.flatten(net.pool(x, "max_pool", 4, stride=4)), 5)


def flatten_time(net: Net) -> Value:
    """Channels and columns together as the features of each row: what a text reader does."""
    x = block(net, net.x, 4)
    rows = net.op("transpose", x, perm=(0, 2, 1, 3))
    return net.dense(net.op("reshape", rows, shape=(BATCH, 12, 48)), 5)


NETWORKS = [resnet, densenet, inception, squeeze_excite, two_flattens, per_location]


@pytest.mark.parametrize("build", NETWORKS)
def test_one_transpose_at_the_input(build: Callable[[Net], Value]) -> None:
    net = first(BATCH, 3, 12, 12)
    graph = apply(net.graph(build(net)), layout("channels_last"))
    assert counts(graph)["transpose"] == 1
    assert graph.nodes[0].op == "transpose"
    assert window_ops_are("channels_last").holds(graph)
    assert not layout("channels_last")(graph)


@pytest.mark.parametrize("build", [resnet, densenet, inception])
def test_batch_normalizations_still_fold(build: Callable[[Net], Value]) -> None:
    net = first(BATCH, 3, 12, 12)
    passes: list[Pass] = [layout("channels_last"), fixpoint(simplify, fold_scale_shift)]
    graph = apply(net.graph(build(net)), *passes)
    if build is not densenet:
        assert "mul" not in ops(graph)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("dynamic", [False, True])
def test_every_spatial_rank(rank: int, dynamic: bool) -> None:
    lengths = [symbol(f"length{i}") if dynamic else 6 for i in range(rank)]
    net = first(BATCH, 2, *lengths)
    x = net.pool(block(net, block(net, net.x, 4), 6))
    out = net.op("reduce_mean", x, axes=tuple(range(2, rank + 2)))
    graph = apply(net.graph(net.dense(out, 3)), layout("channels_last"), length=6)
    assert counts(graph)["transpose"] == 1


def test_an_image_output_is_turned_back() -> None:
    net = first(BATCH, 3, 8, 8)
    graph = apply(net.graph(block(net, block(net, net.x, 4), 2)), layout("channels_last"))
    assert ops(graph)[0] == ops(graph)[-1] == "transpose"
    assert counts(graph)["transpose"] == 2


def test_one_channel_needs_no_transpose() -> None:
    """Digits are (1, 28, 28): only a dimension of 1 changes places."""
    net = first(BATCH, 1, 8, 8)
    graph = apply(net.graph(net.dense(net.flatten(block(net, net.x, 4)), 5)), layout("channels_last"))
    assert "transpose" not in ops(graph)


def test_channels_first_can_be_wanted_too() -> None:
    net = Net(BATCH, 8, 8, 3)
    x = block(net, block(net, net.x, 4), 4)
    graph = apply(net.graph(net.dense(net.flatten(x), 5)), layout("channels_first"))
    assert counts(graph)["transpose"] == 1
    assert window_ops_are("channels_first").holds(graph)


def test_a_generator_starts_with_a_permuted_dense_layer() -> None:
    """The features that become an image are computed in the order that the image has them."""
    net = Net(BATCH, 7, data_format="channels_last")
    x = net.op("relu", net.op("mul", net.dense(net.x, 3 * 4 * 5), net.weights(60)))
    net.data_format = "channels_first"
    x = net.op("relu", net.norm(net.op("reshape", x, shape=(BATCH, 3, 4, 5))))
    x = net.conv(x, 2, 4, op="conv_transpose", stride=2, padding=((1, 1), (1, 1)))
    graph = apply(net.graph(net.conv(net.op("relu", x), 1)), layout("channels_last"))
    # One channel comes out, so that even the output only changes its shape.
    assert counts(graph)["transpose"] == 0
    assert not layout("channels_last")(graph)


def test_branches_off_the_input_share_its_transpose() -> None:
    net = first(BATCH, 3, 8, 8)
    padded = net.op("pad", net.op("mul", net.x, net.number(2)), pads=((0, 0), (0, 0), (1, 1), (1, 1)))
    left = net.conv(padded, 4, padding="valid")
    right = net.conv(net.op("neg", net.x), 4)
    graph = apply(net.graph(net.dense(net.flatten(net.op("add", left, right)), 2)), layout("channels_last"))
    assert counts(graph)["transpose"] == 1


def test_a_dense_kernel_is_permuted_without_being_read() -> None:
    net = first(BATCH, 2, 4, 4)
    out = net.dense(net.flatten(net.conv(net.x, 3)), 5)
    kernel = net.builder.nodes[-1].input(1)
    assert kernel.constant is not None
    lazy = type(kernel.constant).lazy("float32", (48, 5), kernel.constant.numpy)
    kernel.constant = lazy
    graph = apply(net.graph(out), layout("channels_last"))
    restated = graph.nodes[-1].input(1).constant
    assert restated is not None
    assert restated.is_lazy


def test_a_shared_dense_layer_goes_on_sharing_its_kernel() -> None:
    net = first(BATCH, 2, 4, 4)
    kernel = net.weights(48, 5)
    conv = net.conv(net.x, 3)
    outputs = [net.op("dense", net.flatten(net.op(op, conv)), kernel) for op in ("relu", "tanh")]
    graph = apply(net.graph(*outputs), layout("channels_last"))
    one, other = (node for node in graph.nodes if node.op == "dense")
    assert one.inputs[1] is other.inputs[1]
    assert counts(graph)["transpose"] == 1


def test_a_matrix_product_takes_a_transpose_as_a_flag() -> None:
    net = Net(BATCH, 4, 6)
    graph = net.graph(net.op("matmul", net.x, net.op("transpose", net.x, perm=(0, 2, 1))))
    graph = apply(graph, layout("channels_last"))
    assert ops(graph) == ["matmul"]
    assert graph.nodes[0].attrs["transpose_b"]


def test_a_permute_that_is_needed_is_not_multiplied() -> None:
    net = Net(BATCH, 4, 6)
    turned = net.op("transpose", net.x, perm=(0, 2, 1))
    graph = net.graph(net.op("relu", turned), net.op("tanh", turned))
    assert counts(apply(graph, layout("channels_last")))["transpose"] == 1


def test_a_flatten_beside_axes_out_of_order_is_left_alone() -> None:
    net = Net(2, 3, 4, 5)
    turned = net.op("transpose", net.op("tanh", net.x), perm=(1, 0, 3, 2))
    graph = net.graph(net.dense(net.op("reshape", turned, shape=(3, 2, 20)), 2))
    assert ops(apply(graph, layout("channels_last"))) == ["tanh", "transpose", "reshape", "dense"]


def test_an_operand_that_broadcasts_does_not_decide_the_view() -> None:
    """The gate has no axis for the length: beneath its view the other operand would have none either."""
    net = Net(BATCH, 4, 6)
    gate = net.op("expand_dims", net.op("reduce_max", net.x, axes=(2,)), axes=(1,))
    graph = net.graph(net.op("tanh", net.op("mul", gate, net.op("transpose", net.x, perm=(0, 2, 1)))))
    graph = apply(graph, layout("channels_last"))
    assert counts(graph)["transpose"] == 1


def test_an_op_moved_beneath_a_view_may_be_there_already() -> None:
    """Beneath the transpose the first tanh is the second one."""
    net = Net(2, 4, 5)
    inner = net.op("exp", net.x)
    first_tanh = net.op("tanh", net.op("transpose", inner, perm=(0, 2, 1)))
    graph = net.graph(first_tanh, net.op("tanh", inner))
    assert ops(apply(graph, layout("channels_last"))) == ["exp", "tanh", "transpose"]


def test_a_form_is_not_wanted_of_what_has_no_such_dimension() -> None:
    """Before the split the dimension that is squeezed is 2."""
    net = Net(BATCH, 2, 5, 4, 3)
    parts = net.builder.ops("split", net.op("relu", net.x), axis=1, sizes=(1, 1))
    frames = [net.conv(net.op("squeeze", part, axes=(1,)), 2) for part in parts]
    apply(net.graph(net.op("add", *frames)), layout("channels_last"))


def test_text_reader() -> None:
    net = first(BATCH, 2, 12, 12)
    graph = apply(net.graph(flatten_time(net)), layout("channels_last"))
    assert counts(graph)["transpose"] <= 2


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ValueError, match="Received: 'NHWC'"):
        layout("NHWC")


def test_the_format_is_ensured() -> None:
    net = first(BATCH, 2, 12, 12)
    graph = net.graph(net.conv(net.x, 3))
    idle = Pass("idle", lambda graph: False, ensures=layout("channels_last").ensures)
    with pytest.raises(GraphError, match="channels_last window ops"):
        run_passes(graph, [idle])
