"""Recurrent layers in ONNX Runtime: operators for the activations that these know, loops for others and behind a mask."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from kexport.ir import dims
from kexport_runtimes.onnxruntime import RUNTIME
from kexport_targets.onnx import schema
from support.comparing import assert_close
from support.graphs import expected
from support.recurrent import ACTIVATIONS, Drawn, drawn
from targets.onnx.complete import emitted
from targets.onnx.test_operator_sets import check_file

OPERATORS = {"simple_rnn": "RNN", "lstm": "LSTM", "gru": "GRU"}
PLAIN = Drawn("lstm", 3, 6, 4, 5, ("tanh", "sigmoid"), True, False, False, False, True, True)


def operators(case: Drawn, folder: Path, opset: int | None = None) -> dict[str, int]:
    """Those of the file, once it computed what the op means."""
    graph, inputs = case.graph(dims.symbol("batch"), dims.symbol("time")), case.inputs()
    truth = expected(graph, [*inputs.values()])
    artifact = emitted(graph, folder, opset=opset)
    outputs = RUNTIME.run(artifact.main, inputs)
    for index, array in enumerate(truth):
        assert_close(outputs[f"y{index}"], array)
    return dict(artifact.details["ops"])


@pytest.mark.parametrize("op", OPERATORS)
@pytest.mark.parametrize("mask", [False, True])
def test_over_open_lengths_in_all_operator_sets(op: str, mask: bool, tmp_path: Path) -> None:
    case = replace(PLAIN, op=op, mask=mask, go_backwards=True)
    for opset in (13, 17, 21, schema.NEWEST_OPSET):
        assert ("Scan" if mask else OPERATORS[op]) in operators(case, tmp_path / str(opset), opset)
        check_file(tmp_path / str(opset) / "model.onnx", opset)


@pytest.mark.parametrize("op", OPERATORS)
@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu", "softplus", "elu", *ACTIVATIONS])
def test_activations_that_operators_know(op: str, activation: str, tmp_path: Path) -> None:
    case = replace(PLAIN, op=op, activations=(activation, "hard_sigmoid before Keras 3"))
    assert OPERATORS[op] in operators(case, tmp_path)


@pytest.mark.parametrize("activations", [("relu6", "sigmoid"), ("tanh", "silu")])
def test_others_are_loops(activations: tuple[str, str], tmp_path: Path) -> None:
    assert "Scan" in operators(replace(PLAIN, activations=activations), tmp_path)


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(drawn)
def test_any_arguments(case: Drawn) -> None:
    with tempfile.TemporaryDirectory() as folder:
        operators(case, Path(folder))
