"""Ops that move elements, at the ranks where NumPy does otherwise than asked."""

from __future__ import annotations

import numpy as np
import pytest

from kexport.ir import TensorType
from kexport.ir.evaluate import evaluate
from support.graphs import graph_of


@pytest.mark.parametrize(
    ("op", "attrs"),
    [
        ("broadcast_to", {"shape": ()}),
        ("reverse", {"axes": ()}),
        ("slice", {"begin": (), "end": (), "strides": ()}),
        ("reshape", {"shape": ()}),
    ],
)
def test_a_number_stays_of_rank_0(op, attrs):
    graph = graph_of({"x": TensorType("float32", ())}, lambda b, x: {"y": b.op(op, x, **attrs)})
    (result,) = evaluate(graph, [np.float32(3)])
    assert result.shape == graph.outputs[0].shape == ()


def test_quotients_are_rounded_after_they_are_divided():
    types = {"a": TensorType("float32", (3,)), "b": TensorType("float32", (3,))}
    graph = graph_of(types, lambda b, x, y: {"y": b.op("floor_div", x, y)})
    a, b = np.array([1, -7, 1], "float32"), np.array([0.1, 2, 0], "float32")
    with np.errstate(divide="ignore"):
        (result,) = evaluate(graph, [a, b])
    np.testing.assert_array_equal(result, [10, -4, np.inf])
