"""Scaled dot-product attention becomes one op, whoever spelled it out, and computes the same: rows where nothing counts, too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kexport.ir import Graph, Value
from kexport.passes import constant_folding, fixpoint, fuse_attention, simplify
from passes.building import BATCH, Net, apply, counts, ops

HEADS, SIZE, ROWS, COLUMNS = 4, 3, 5, 7
TIDY = fixpoint(simplify, constant_folding)

#: What counts of the scores; nothing in row 2 of the second of the batch.
COUNTS = np.arange(2 * ROWS * COLUMNS).reshape(2, 1, ROWS, COLUMNS) % 3 > 0
COUNTS[1, 0, 2] = False


def apart(net: Net, x: Value, heads: int = HEADS, *, repeated: int = 1, turned: bool = False) -> Value:
    """(batch, time, heads * size) as (batch, heads, time, size)."""
    split = net.op("reshape", x, shape=(*x.shape[:2], heads, SIZE))
    if repeated > 1:
        indices = np.repeat(np.arange(heads), repeated)
        split = net.op("gather", split, net.builder.constant(indices, "int32"), axis=2)
    return net.op("transpose", split, perm=(0, 2, 3, 1) if turned else (0, 2, 1, 3))


class Spelled:
    """Attention in parts; methods are what may stand between them."""

    def __init__(self, *, shared: int = HEADS, batch: Any = 2) -> None:
        self.net = Net(batch, ROWS, HEADS * SIZE)
        self.shared = shared
        self.key, self.value = (self.net.input(batch, COLUMNS, shared * SIZE) for _ in range(2))

    def scores(self, *, flag: bool = False) -> Value:
        repeated = HEADS // self.shared
        key = apart(self.net, self.key, self.shared, repeated=repeated, turned=not flag)
        return self.net.op("matmul", apart(self.net, self.net.x), key, transpose_b=flag)

    def graph(self, scores: Value, counts: Value | None = None) -> Graph:
        """``counts``: where the weights are not 0."""
        net = self.net
        weights = net.op("softmax", scores, axis=3)
        if counts is not None:
            weights = net.op("select", counts, weights, net.number(0.0))
        value = apart(net, self.value, self.shared, repeated=HEADS // self.shared)
        result = net.op("transpose", net.op("matmul", weights, value), perm=(0, 2, 1, 3))
        return net.graph(net.op("reshape", result, shape=(*net.x.shape[:2], HEADS * SIZE)))

    def bools(self, array: Any) -> Value:
        return self.net.builder.constant(np.asarray(array), "bool")


@pytest.mark.parametrize("shared", [HEADS, 2, 1])
@pytest.mark.parametrize("flag", [False, True])
@pytest.mark.parametrize("scale", [None, "mul", "div"])
def test_heads_that_are_shared_or_not(shared: int, flag: bool, scale: str | None) -> None:
    made = Spelled(shared=shared, batch=BATCH)
    scores = made.scores(flag=flag)
    if scale is not None:
        scores = made.net.op(scale, scores, made.net.number(0.5))
    graph = made.graph(scores)
    apply(graph, fuse_attention, TIDY)
    (node,) = graph.nodes
    assert node.op == "attention"
    assert (node.attrs["heads"], node.attrs["shared_heads"]) == (HEADS, shared)
    assert node.attrs["scale"] == {None: 1.0, "mul": 0.5, "div": 2.0}[scale]


@pytest.mark.parametrize("zeroed", [False, True])
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("lowered", [False, True])
def test_masks(zeroed: bool, biased: bool, lowered: bool) -> None:
    made = Spelled()
    net, scores, mask = made.net, made.scores(), made.bools(COUNTS)
    if biased:
        scores = net.op("add", scores, net.weights(2, 1, ROWS, COLUMNS))
    low = net.op("sub", scores, net.number(1e9)) if lowered else net.number(-1e9)
    graph = made.graph(net.op("select", mask, scores, low), mask if zeroed else None)
    apply(graph, fuse_attention, TIDY)
    # A row that nothing counts for is 0, or what its own scores say: one op has one of these, and no numbers to add.
    holds = not (biased and (zeroed or lowered))
    assert ("attention" in ops(graph)) == holds
    if holds:
        (node,) = (node for node in graph.nodes if node.op == "attention")
        assert node.input(3).dtype == ("bool" if zeroed else "float32")


def test_causal_masks_are_an_attribute() -> None:
    made = Spelled()
    mask = made.bools(np.tri(ROWS, COLUMNS, dtype=bool)[None, None])
    scores = made.net.op("select", mask, made.scores(), made.net.number(-1e9))
    graph = apply(made.graph(scores, mask), fuse_attention, TIDY)
    (node,) = graph.nodes
    assert node.attrs["causal"]
    assert not any(node.inputs[3:])


def test_causal_masks_of_open_lengths_are_an_attribute() -> None:
    made = Spelled()
    net, one = made.net, made.net.builder.constant(np.ones((1, 1, 1)), "int32")
    ones = net.op("broadcast_to", one, shape=(1, ROWS, COLUMNS))
    past = net.op("greater_equal", net.op("cumsum", ones, axis=1), net.op("cumsum", ones, axis=2))
    mask = net.op("expand_dims", past, axes=(1,))
    graph = made.graph(net.op("select", mask, made.scores(), net.number(-1e9)))
    apply(graph, fuse_attention, simplify)
    assert ops(graph) == ["attention"]


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_one_head(causal: bool, masked: bool) -> None:
    """Keras's layer Attention."""
    net = Net(2, ROWS, SIZE)
    key, value = (net.input(2, COLUMNS, SIZE) for _ in range(2))
    scores = net.op("matmul", net.x, net.op("transpose", key, perm=(0, 2, 1)))
    if masked or causal:
        mask = np.tri(ROWS, COLUMNS, dtype=bool)[None] if causal else COUNTS[:, 0]
        low = net.op("sub", scores, net.number(1e9))
        scores = net.op("select", net.builder.constant(mask), scores, low)
    graph = net.graph(net.op("matmul", net.op("softmax", scores, axis=2), value))
    apply(graph, fuse_attention, TIDY)
    assert ops(graph) == ["attention"]


def test_what_stays_in_parts() -> None:
    def weights_are_read(made: Spelled) -> Graph:
        graph = made.graph(made.scores())
        (weights,) = (node.output for node in graph.nodes if node.op == "softmax")
        graph.outputs.append(weights)
        graph.output_names.append("weights")
        return graph

    def a_number_that_is_not_low(made: Spelled) -> Graph:
        low = made.net.number(-5.0)
        return made.graph(made.net.op("select", made.bools(COUNTS), made.scores(), low))

    def another_axis(made: Spelled) -> Graph:
        return made.graph(made.net.op("softmax", made.scores(), axis=2))

    def zeros_elsewhere(made: Spelled) -> Graph:
        scores = made.net.op("select", made.bools(COUNTS), made.scores(), made.net.number(-1e9))
        return made.graph(scores, made.bools(~COUNTS))

    for make in (weights_are_read, a_number_that_is_not_low, another_axis, zeros_elsewhere):
        graph = make(Spelled())
        apply(graph, fuse_attention)
        assert "attention" not in counts(graph), make.__name__
