"""Live models whose layers, cells and functions are the user's own, exported and compared with themselves."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("check_live.py")
RIGHT = [
    *["layer", "block", "function", "lambda-function", "lambda-layer", "no-config", "wrapped", "cell"],
    *["cell-last-masked", "stacked-cells", "mask-made", "mask-carried", "mask-dropped", "shared", "mixed"],
    *["open-reshape", "open-ones", "open-mean", "open-slice", "open-range"],
    *["open-positions", "open-reversed", "open-causal", "open-triangle", "open-diagonal"],
    *["subclassed", "subclassed-dict", "subclassed-two", "subclassed-nested"],
]


WRONG = {
    "open-root": ("LoweringError", ["a number that it computes with", "(batch, time)", "--dim NAME=N"]),
    "decides": ("LoweringError", ["'decides'", "can't be traced", "boolean", "keras.ops"]),
    "numpy": ("LoweringError", ["'on_num_py'", "can't be traced", "NumPy"]),
    "subclassed-not-built": ("ModelReadError", ["not built", "model.build"]),
}


def test_live_models(tmp_path: Path) -> None:
    """One process exports all of them: importing Keras takes longer than the exports."""
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path)], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found = json.loads((tmp_path / "found.json").read_text())
    assert set(found) == {*RIGHT, *WRONG}
    right = {"status": "verified", "reason": ""}
    assert {name: result for name in RIGHT for result in found[name] if result != right} == {}
    for name, (error, words) in WRONG.items():
        (result,) = found[name]
        assert result["error"] == error
        assert [word for word in words if word not in result["text"]] == []


def test_live_models_of_keras_2(tmp_path: Path) -> None:
    script = SCRIPT.with_name("check_live_keras2.py")
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found = json.loads((tmp_path / "found.json").read_text())
    right = {"status": "verified", "reason": ""}
    assert found == dict.fromkeys(("layer", "lambda", "function", "subclassed"), right)
