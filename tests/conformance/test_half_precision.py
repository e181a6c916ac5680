"""Every row of the conformance table on Core ML in half precision, as an export writes it: with the layers in float32 that it finds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import kexport
from conformance.conformance_models import model_folder
from conformance.rows import Row, rows, widened
from kexport.loading import load
from kexport.reference import Golden
from support.targets import REFUSED

ROWS = [
    pytest.param(row, id=row.id)
    for row in rows()
    if row.suffix == row.case.formats[0] and row.case.id not in REFUSED["coreml"]
]


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS)
def test_row(row: Row, tmp_path: Path) -> None:
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
