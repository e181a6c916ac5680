"""What each engine loads of a model: our bundles, and the peers' files, all from one Keras file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import measure

BENCHMARKS = Path(__file__).resolve().parent

#: Engine → the folder of its model, beneath the model's own.
FOLDERS = {
    "kexport-web": "float16/web",
    "kexport-web-float32": "float32/web",
    "tfjs-wasm": "tfjs",
    "tfjs-webgl": "tfjs",
    "onnxruntime-web": "onnx/onnx",
    "keras-js": "keras-js",
}


def digits(path: Path) -> Path:
    """The example's small network, trained once."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"part-{path.name}")
        subprocess.run(
            [sys.executable, str(BENCHMARKS.parent / "examples" / "train_digits.py"), str(part)],
            check=True,
            capture_output=True,
        )
        part.replace(path)
    return path


def write(model: Path, folder: Path, packages: Path, converter: Path) -> dict[str, str]:
    """Export ``model`` (a .keras file) into ``folder`` for every engine, anew.

    Returns:
        Why an engine has no file of it, for those that have none.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    kexport, log = str(Path(sys.executable).with_name("kexport")), folder / "log.txt"
    # Bundles are verified: the golden sample, which a page computes before all else, is part of the first visit.
    for name, options in {
        "float16": ["--target", "web"],
        "float32": ["--target", "web", "--no-float16"],
        "onnx": ["--target", "onnx", "--no-verify"],
        "saved_model": ["--target", "saved_model", "--no-verify"],
    }.items():
        measure.run_process([kexport, str(model), *options, "-o", str(folder / name)], log)
    (folder / "keras-js").mkdir()
    # TensorFlow.js gets our SavedModel: its converter fuses every convolution of it with what follows, which it does not of Keras's own.
    commands = {
        "tfjs": ([str(folder / "saved_model" / "saved_model" / "1"), str(folder / "tfjs")], converter, "web_tfjs.py"),
        "keras-js": ([str(model), str(folder / "keras-js" / "model.bin")], packages / "keras-js" / "python", "web_kerasjs.py"),
    }  # fmt: skip
    failed = {}
    for name, (arguments, path, script) in commands.items():
        # Keras.js's classes are of a protoc whose output only protobuf's pure Python takes today.
        protobuf = {"PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"} if name == "keras-js" else {}
        done = subprocess.run(
            [sys.executable, str(BENCHMARKS / script), *arguments],
            env={**os.environ, **protobuf, "PYTHONPATH": str(path)},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            why = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            failed.update({engine: why for engine, place in FOLDERS.items() if place == name})
    return failed
