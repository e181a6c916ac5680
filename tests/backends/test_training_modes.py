"""Models that were trained in mixed precision, or spread over devices, are exported as others are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import kexport
from kexport.loading import load

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "train"

MIXED_16, MIXED_B16, SPREAD = ["--policy", "mixed_float16"], ["--policy", "mixed_bfloat16"], ["--distribute"]

slow = pytest.mark.slow


@pytest.mark.parametrize(
    ("backend", "arguments", "model", "targets"),
    [
        ("jax", MIXED_16, "iris", ["tflite", "onnx"]),
        pytest.param("tensorflow", MIXED_16, "digits", ["tflite", "onnx", "saved_model"], marks=slow),
        pytest.param("tensorflow", MIXED_B16, "diabetes", ["tflite", "onnx", "saved_model"], marks=slow),
        pytest.param("jax", MIXED_B16, "digits", ["tflite", "onnx"], marks=slow),
        pytest.param("tf_keras", MIXED_16, "digits", ["tflite", "onnx"], marks=slow),
        ("tensorflow", SPREAD, "iris", ["tflite"]),
        pytest.param("tf_keras", SPREAD, "iris", ["tflite"], marks=slow),
        pytest.param("jax", SPREAD, "digits", ["tflite", "onnx"], marks=slow),
        pytest.param("jax", [*SPREAD, *MIXED_16], "rows", ["tflite", "onnx"], marks=slow),
    ],
)
def test_trained_in(
    backend: str, arguments: list[str], model: str, targets: list[str], tmp_path: Path
) -> None:
    data = tmp_path / "data"
    subprocess.run([sys.executable, str(EXAMPLES / "prepare_data.py"), str(data)], check=True)
    legacy = backend == "tf_keras"
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "train.py"), str(tmp_path), "--data", str(data), "--model", model, *arguments],
        env={
            **os.environ,
            "KERAS_BACKEND": "tensorflow" if legacy else backend,
            "TF_USE_LEGACY_KERAS": "1" if legacy else "0",
            "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
        },
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    # A few epochs on a few hundred samples: better than chance, of three kinds at the least.
    assert told.get("accuracy", 1) > (0.2 if "digit" in model or model == "rows" else 0.4)
    path = tmp_path / told["file"]
    if "--policy" in arguments:
        assert arguments[-1] in str([layer.config for layer in load(path).walk()])
    # .keras files do not say what trained them.
    result = kexport.export(
        path, targets, output=tmp_path / "export", trained_on="tensorflow" if legacy else backend
    )
    assert result.verified
    for target in result.targets:
        assert target.verdict is not None
        assert (backend if not legacy else "tf_keras") in target.verdict.reference
