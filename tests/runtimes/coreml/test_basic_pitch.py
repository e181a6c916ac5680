"""One network that others published as .mlpackage and .onnx: the interpreter agrees with ONNX Runtime.

basic-pitch 0.4.0 (PyPI, Spotify's, Apache-2.0) finds notes in music: constant-Q transform, convolutions, normalizations. Its
Core ML model was made by coremltools 7 from TensorFlow.
"""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

import real_models
from kexport_runtimes.coreml.interpreter import Options
from kexport_runtimes.coreml.session import Session

FOLDER = "basic_pitch/saved_models/icassp_2022"
#: Outputs in the .mlpackage, and what tf2onnx called them.
OUTPUTS = {"Identity": ":0", "Identity_1": ":1", "Identity_2": ":2"}


def tones() -> np.ndarray:
    """Two seconds of sound at 22,050 Hz: three tones that come and go, and noise."""
    time = np.arange(43844) / 22050
    sound = sum(
        np.sin(2 * np.pi * hertz * time) * (np.sin(3 * time + hertz) > 0) for hertz in (220, 440, 1318.5)
    )
    noise = np.random.default_rng(0).normal(size=time.shape)
    return (0.2 * sound + 0.01 * noise).astype(np.float32).reshape(1, -1, 1)


def expected(x: np.ndarray) -> dict[str, np.ndarray]:
    model = onnxruntime.InferenceSession(str(real_models.fetch("basic-pitch", "0.4.0", f"{FOLDER}/nmp.onnx")))
    names = [output.name for output in model.get_outputs()]
    return dict(zip(names, model.run(names, {model.get_inputs()[0].name: x}), strict=True))


@pytest.mark.parametrize("accelerate", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_it_agrees_with_its_onnx_file(accelerate: bool) -> None:
    path = real_models.fetch_folder("basic-pitch", "0.4.0", f"{FOLDER}/nmp.mlpackage")
    x = tones()
    found = Session(path, options=Options(accelerate=accelerate)).run({"input_2": x})
    reference = expected(x)
    assert set(found) == set(OUTPUTS)
    for name, suffix in OUTPUTS.items():
        (wanted,) = (array for key, array in reference.items() if key.endswith(suffix))
        assert np.ptp(wanted) > 0.2
        np.testing.assert_allclose(found[name], wanted, atol=5e-5)
