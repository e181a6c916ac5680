"""Recurrent layers: operations where they are exact, loops elsewhere, short ones written out."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from kexport.ir import dims
from support.graphs import expected
from support.recurrent import Drawn, drawn
from targets.coreml.running import emitted, run

BATCH, TIME = dims.symbol("batch"), dims.symbol("time")

PLAIN = Drawn("lstm", 1, 5, 3, 4, ("tanh", "sigmoid"), True, False, False, False, False, False)


def check(
    case: Drawn, folder: Path, *, is_open: bool, tolerance: float = 1e-5, half: bool = False
) -> dict[str, int]:
    arrays = case.inputs()
    truth = expected(case.graph(), list(arrays.values()))
    graph = case.graph(BATCH, TIME) if is_open else case.graph()
    artifact = emitted(graph, folder, float16=half)
    ports = artifact.signature.inputs
    outputs = run(artifact, folder, {p.name: arrays[p.name].astype(p.type.dtype) for p in ports})
    for index, wanted in enumerate(truth):
        got = outputs[f"y{index}"]
        assert got.shape == wanted.shape
        span = max(float(np.abs(wanted).max(initial=0)), 1e-6)
        np.testing.assert_allclose(got, wanted, rtol=0, atol=tolerance * span)
    return artifact.details["ops"]


@settings(max_examples=25, derandomize=True)
@given(drawn)
def test_drawn_layers(case: Drawn) -> None:
    for is_open in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            check(case, Path(folder), is_open=is_open)


@pytest.mark.parametrize(("op", "operation"), [("lstm", "lstm"), ("gru", "gru"), ("simple_rnn", "rnn")])
def test_layers_without_a_mask_are_operations(op: str, operation: str, tmp_path: Path) -> None:
    ops = check(replace(PLAIN, op=op), tmp_path, is_open=False)
    assert ops[operation] == 1
    assert "while_loop" not in ops


def test_long_loops_stay_loops_and_short_ones_are_written_out(tmp_path: Path) -> None:
    for time, loops in ((5, 0), (40, 1)):
        folder = tmp_path / str(time)
        folder.mkdir()
        case = replace(PLAIN, op="gru", time=time, reset_after=True, mask=True)
        assert check(case, folder, is_open=False).get("while_loop", 0) == loops


def test_loops_in_half_precision(tmp_path: Path) -> None:
    case = replace(PLAIN, op="gru", time=20, reset_after=True)
    check(case, tmp_path, is_open=True, tolerance=1e-2, half=True)
