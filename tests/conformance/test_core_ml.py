"""What Core ML has several ways for: half precision, as an export writes it, with the layers in float32 that it finds; and weights of few
bits, which each system expands by other operations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import kexport
from conformance.conformance_models import model_folder
from conformance.rows import Row, check_row, rows, widened
from kexport.loading import load
from kexport.reference import Golden
from support.targets import REFUSED

ROWS = [row for row in rows() if row.suffix == row.case.formats[0] and row.case.id not in REFUSED["coreml"]]


@pytest.mark.slow
@pytest.mark.parametrize("target", ["iOS15", "iOS17", "iOS18"])
@pytest.mark.parametrize("row", [row for row in ROWS if row.family == "quantized"], ids=lambda row: row.id)
def test_quantized_layers(row: Row, target: str, tmp_path: Path) -> None:
    """The tests of the whole table are for iOS16."""
    check_row(row, "coreml", tmp_path, deployment_target=target)


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_half_precision(row: Row, tmp_path: Path) -> None:
    folder = model_folder(row.writer, row.family)
    recorded = np.load(folder / f"{row.case.id}.npz")
    spec = load(folder / f"{row.case.id}{row.suffix}")
    inputs = {name: widened(recorded[f"in/{index}"]) for index, name in enumerate(spec.input_names)}
    outputs = {name: widened(recorded[f"out/{index}"]) for index, name in enumerate(spec.output_names)}
    meta = {"keras": "3", "backend": "tensorflow", "library": "keras"}
    result = kexport.export(
        folder / f"{row.case.id}{row.suffix}",
        "coreml",
        output=tmp_path / "out",
        golden=Golden(inputs, outputs, {}, meta),
        batch=len(recorded[recorded.files[0]]),
        float16=True,
    )
    verdict = result.targets[0].verdict
    assert verdict is not None
    assert verdict.passed
    for output in verdict.rows:
        assert output.argmax_agreement in (None, 1.0)
