"""Identities: one row a rule, and what looks like one but is not."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from kexport.ir import Value, symbol
from kexport.passes import fixpoint, simplify
from passes.building import BATCH, Net, apply, ops

LENGTH = symbol("length")


def turn(net: Net, x: Value, *perm: int) -> Value:
    return net.op("transpose", x, perm=perm)


def cut(net: Net, x: Value, begin: int, end: int | None, stride: int = 1) -> Value:
    return net.op("slice", x, begin=(0, begin, 0), end=(None, end, None), strides=(1, stride, 1))


def pad(net: Net, x: Value, before: int, after: int, value: float = 0.0) -> Value:
    return net.op("pad", x, pads=((0, 0), (before, after), (0, 0)), value=value)


def whole_pool(net: Net, op: str) -> Value:
    return net.op(op, net.x, window=(1,), strides=(1,), padding="same")


#: name → (graph on x (batch, 6, 4), ops left)
CASES: dict[str, tuple[Callable[[Net], Value], list[str]]] = {
    "identity": (lambda n: n.op("identity", n.x), []),
    "add 0": (lambda n: n.op("add", n.x, n.number(0)), []),
    "0 + x": (lambda n: n.op("add", n.builder.constant([0, 0, 0, 0], "float32"), n.x), []),
    "sub 0": (lambda n: n.op("sub", n.x, n.number(0)), []),
    "0 - x stays": (lambda n: n.op("sub", n.number(0), n.x), ["sub"]),
    "mul 1": (lambda n: n.op("mul", n.number(1), n.x), []),
    "div 1": (lambda n: n.op("div", n.x, n.number(1)), []),
    "add 0 that broadcasts stays": (
        lambda n: n.op("add", n.op("reduce_sum", n.x, axes=(1,), keepdims=True), n.builder.constant([[0.0] * 4] * 6, "float32")),
        ["reduce_sum", "add"],
    ),
    "add 0 with an activation stays": (lambda n: n.op("add", n.x, n.number(0), activation="relu"), ["add"]),
    "pow 2": (lambda n: n.op("pow", n.x, n.number(2)), ["square"]),
    "pow 1": (lambda n: n.op("pow", n.x, n.number(1)), []),
    "pow a half": (lambda n: n.op("pow", n.op("abs", n.x), n.number(0.5)), ["abs", "sqrt"]),
    "pow 3 stays": (lambda n: n.op("pow", n.x, n.number(3)), ["pow"]),
    "maximum 0": (lambda n: n.op("maximum", n.x, n.number(0)), ["relu"]),
    "relu6 in two": (lambda n: n.op("minimum", n.op("maximum", n.x, n.number(0)), n.number(6)), ["relu6"]),
    "clip from 0": (lambda n: n.op("clip", n.x, min=0.0), ["relu"]),
    "clip of nothing": (lambda n: n.op("clip", n.x), []),
    "clips": (lambda n: n.op("clip", n.op("clip", n.x, min=-0.5), max=0.5), ["clip"]),
    "clips apart": (lambda n: n.op("clip", n.op("clip", n.x, max=-0.5), min=0.5), ["clip"]),
    "relus": (lambda n: n.op("relu", n.op("relu6", n.op("relu", n.x))), ["relu6"]),
    "cast": (lambda n: n.op("cast", n.x, dtype="float32"), []),
    "casts stay": (lambda n: n.op("cast", n.op("cast", n.x, dtype="int32"), dtype="float32"), ["cast", "cast"]),
    "reshape": (lambda n: n.op("reshape", n.x, shape=(BATCH, 6, 4)), []),
    "reshapes": (lambda n: n.op("reshape", n.op("reshape", n.x, shape=(BATCH, 24)), shape=(BATCH, 4, 6)), ["reshape"]),
    "there and back": (lambda n: n.op("reshape", n.flatten(n.x), shape=(BATCH, 6, 4)), []),
    "a squeeze of a reshape": (
        lambda n: n.op("squeeze", n.op("reshape", n.x, shape=(BATCH, 1, 24)), axes=(1,)),
        ["reshape"],
    ),
    "expand and squeeze": (lambda n: n.op("squeeze", n.op("expand_dims", n.x, axes=(1,)), axes=(1,)), []),
    "expand and squeeze another": (
        lambda n: n.op("expand_dims", n.op("squeeze", n.op("expand_dims", n.x, axes=(1,)), axes=(1,)), axes=(3,)),
        ["expand_dims"],
    ),
    "transposes": (lambda n: turn(n, turn(n, n.x, 2, 0, 1), 2, 0, 1), ["transpose"]),
    "transposes that cancel": (lambda n: turn(n, turn(n, n.x, 0, 2, 1), 0, 2, 1), []),
    "a transpose of a dimension of 1": (
        lambda n: turn(n, n.op("reduce_sum", n.x, axes=(1,), keepdims=True), 0, 2, 1),
        ["reduce_sum", "reshape"],
    ),
    "a reshape of a transpose stays": (lambda n: n.flatten(turn(n, n.x, 0, 2, 1)), ["transpose", "reshape"]),
    "whole slice": (lambda n: cut(n, n.x, 0, None), []),
    "whole slice by number": (lambda n: cut(n, n.x, 0, 6), []),
    "slices": (lambda n: cut(n, cut(n, n.x, 1, None), 1, -1), ["slice"]),
    "strided slices": (lambda n: cut(n, cut(n, n.x, 1, None, 2), 1, None), ["slice"]),
    "empty pad": (lambda n: pad(n, n.x, 0, 0), []),
    "pads": (lambda n: pad(n, pad(n, n.x, 1, 0), 0, 2), ["pad"]),
    "pads of two numbers stay": (lambda n: pad(n, pad(n, n.x, 1, 0), 0, 2, 1.0), ["pad", "pad"]),
    "concat of one": (lambda n: n.op("concat", n.x, axis=1), []),
    "concats": (lambda n: n.op("concat", n.op("concat", n.x, n.x, axis=1), n.x, axis=1), ["concat"]),
    "concats of two axes stay": (
        lambda n: n.op("concat", c := n.op("concat", n.x, n.x, axis=1), c, axis=2),
        ["concat", "concat"],
    ),
    "split into one": (lambda n: n.op("split", n.x, axis=1, sizes=(6,)), []),
    "tile once": (lambda n: n.op("tile", n.x, multiples=(1, 1, 1)), []),
    "broadcast to itself": (lambda n: n.op("broadcast_to", n.x, shape=(BATCH, 6, 4)), []),
    "reverse of nothing": (lambda n: n.op("reverse", n.x, axes=()), []),
    "reduction of nothing": (lambda n: n.op("reduce_sum", n.x, axes=()), []),
    "reduction of 1": (
        lambda n: n.op("reduce_max", n.op("expand_dims", n.x, axes=(1,)), axes=(1,)),
        [],
    ),
    "reduction of a kept 1": (
        lambda n: n.op("reduce_max", n.op("expand_dims", n.op("relu", n.x), axes=(1,)), axes=(1,), keepdims=True),
        ["relu", "expand_dims"],
    ),
    "a reduction put back": (
        lambda n: n.op("reshape", n.op("reduce_mean", n.x, axes=(1,)), shape=(BATCH, 1, 4)),
        ["reduce_mean"],
    ),
    "a reduction taken off": (
        lambda n: n.op("squeeze", n.op("reduce_mean", n.x, axes=(1,), keepdims=True), axes=(1,)),
        ["reduce_mean"],
    ),
    "a reduction put elsewhere stays": (
        lambda n: n.op("expand_dims", n.op("reduce_mean", n.x, axes=(1,)), axes=(2,)),
        ["reduce_mean", "expand_dims"],
    ),
    "max_pool of 1": (lambda n: whole_pool(n, "max_pool"), []),
    "avg_pool of 1": (lambda n: whole_pool(n, "avg_pool"), []),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_simplified(name: str) -> None:
    build, left = CASES[name]
    net = Net(BATCH, 6, 4)
    graph = apply(net.graph(build(net)), fixpoint(simplify))
    assert ops(graph) == left


def test_a_resize_to_its_own_size() -> None:
    net = Net(BATCH, 6, 6, 4)
    assert not apply(net.graph(net.op("resize", net.x, size=(6, 6), method="bilinear")), simplify).nodes


def test_crops_of_an_unknown_length() -> None:
    net = Net(BATCH, LENGTH, 4)
    graph = apply(net.graph(cut(net, cut(net, net.x, 1, -2), 2, None)), simplify)
    assert ops(graph) == ["slice"]
    assert graph.nodes[0].attrs["begin"] == (0, 3, 0)
    assert graph.nodes[0].attrs["end"] == (None, -2, None)


def test_clip_of_integers_stays_a_clip() -> None:
    net = Net(BATCH, 6, 4)
    numbers = net.op("cast", net.op("mul", net.x, net.number(9)), dtype="int32")
    graph = apply(net.graph(net.op("clip", numbers, min=0.0)), simplify)
    assert ops(graph) == ["mul", "cast", "clip"]


def test_dimensions_of_1_of_unknown_neighbours_move() -> None:
    net = Net(BATCH, LENGTH, 4)
    lifted = net.op("expand_dims", net.x, axes=(1,))
    graph = apply(net.graph(turn(net, lifted, 0, 2, 3, 1)), simplify)
    assert ops(graph) == ["expand_dims"]


def test_nothing_to_do() -> None:
    net = Net(BATCH, 6, 4)
    assert not simplify(net.graph(net.op("tanh", net.op("add", net.x, net.number(math.pi)))))
