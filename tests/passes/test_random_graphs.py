"""Every pipeline keeps the numbers of random graphs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from kexport.ir import Array, Graph
from kexport.ir.evaluate import evaluate
from kexport.passes import (
    Pass,
    common_subexpressions,
    constant_folding,
    crop_early,
    dead_code,
    fixpoint,
    fold_scale_shift,
    fuse_activation,
    fuse_pad,
    layout,
    lift_1d,
    run_passes,
    simplify,
)
from passes.random_graphs import graphs

FUSING = fuse_activation(
    ["conv", "depthwise_conv", "dense", "add", "sub", "mul", "div", "max_pool", "avg_pool"]
)

PIPELINES: dict[str, Sequence[Pass]] = {
    "constant_folding": [constant_folding],
    "simplify": [fixpoint(simplify), dead_code],
    "fold_scale_shift": [fold_scale_shift],
    "fuse_pad": [fuse_pad()],
    "fuse_pad_only_same": [fuse_pad(["conv", "depthwise_conv", "max_pool"], only_same=True)],
    "fuse_activation": [FUSING],
    "crop_early": [crop_early, dead_code],
    "common_subexpressions": [common_subexpressions],
    "channels_last": [layout("channels_last")],
    "channels_first": [layout("channels_first")],
    "lift_1d": [layout("channels_last"), lift_1d()],
    "lift_1d_of_both_formats": [lift_1d()],
    "all": [
        constant_folding,
        simplify,
        layout("channels_last"),
        lift_1d(),
        fixpoint(simplify, constant_folding, fuse_pad(only_same=True), fold_scale_shift),
        FUSING,
        common_subexpressions,
        dead_code,
    ],
}


def assert_same_numbers(graph: Graph, arrays: list[Array], passes: Sequence[Pass]) -> None:
    before = evaluate(graph, arrays)
    run_passes(graph, passes)
    graph.check()
    layers = list(graph.layer_outputs.values())
    after = evaluate(graph, arrays, [*graph.outputs, *layers])
    for wanted, got in zip(before, after, strict=False):
        assert got.shape == wanted.shape
        np.testing.assert_allclose(
            got, wanted, rtol=1e-8, atol=1e-8 * max(1.0, float(np.abs(wanted).max(initial=0)))
        )


@pytest.mark.parametrize("name", PIPELINES)
@settings(max_examples=60, derandomize=True, suppress_health_check=list(HealthCheck))
@given(case=graphs())
def test_numbers_stay(name: str, case: tuple[Graph, list[Array]]) -> None:
    graph, arrays = case
    assert_same_numbers(graph, arrays, PIPELINES[name])


@pytest.mark.parametrize("name", sorted(PIPELINES.keys() - {"lift_1d_of_both_formats"}))
@settings(max_examples=20, derandomize=True, suppress_health_check=list(HealthCheck))
@given(case=graphs())
def test_a_second_run_changes_nothing(name: str, case: tuple[Graph, list[Array]]) -> None:
    graph, _ = case
    run_passes(graph, PIPELINES[name])
    first = str(graph)
    run_passes(graph, PIPELINES[name])
    assert str(graph) == first
