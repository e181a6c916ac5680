"""Random graphs of many ops, as passes are tested with, on LiteRT."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings

from kexport.ir import symbol
from passes.random_graphs import graphs
from support.graphs import expected
from targets.tflite.running import outputs_of

#: Relative to the largest number of an output: the graphs are of double precision, LiteRT computes in single.
TOLERANCE = 2e-5


@settings(max_examples=80, derandomize=True, database=None)
@given(graphs())
def test_random_graphs(case):
    graph, (x,) = case
    inputs = [[x]]
    if graph.inputs[0].shape[0] == symbol("batch"):
        inputs.append([np.concatenate([x, -x[:1]])])
    wanted = [expected(graph, arrays) for arrays in inputs]
    for results, truths in zip(outputs_of(graph, *inputs), wanted, strict=True):
        for result, truth in zip(results, truths, strict=True):
            assert result.shape == truth.shape
            assert result.dtype == truth.dtype
            span = max(1.0, float(np.abs(truth).max(initial=0)))
            np.testing.assert_allclose(result, truth, rtol=0, atol=TOLERANCE * span)
