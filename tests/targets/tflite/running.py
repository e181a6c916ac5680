"""Legalize, emit, run: what the tests of the TF Lite target share.

As a program it runs models in a process of its own, for LiteRT ends the process on some it doesn't like::

    python running.py FOLDER    # runs each FOLDER/<case>/model.tflite on the pickled FOLDER/<case>/inputs

Results lie in ``<case>/outputs``, or the error's text in ``<case>/error.txt``. (Pickled: .npz knows no bfloat16.)
"""

from __future__ import annotations

import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ml_dtypes  # noqa: F401 - LiteRT's bfloat16 becomes a dtype of NumPy's by it
import numpy as np
from ai_edge_litert.interpreter import Interpreter

if TYPE_CHECKING:
    # As a program it has no other module of the tests.
    from support.graphs import Types

OPTIONS = {"float16": False, "fused_lstm": False}


def emit(graph: Any, folder: Path, **options: Any) -> Path:
    """Legalize (which changes ``graph``) and write it; the file."""
    from kexport_targets.tflite import TARGET

    folder.mkdir(parents=True, exist_ok=True)
    complete = {**OPTIONS, **options}
    artifact = TARGET.emit(TARGET.legalize(graph, complete), folder, complete)
    return folder / artifact.main


class Model:
    """A file in the interpreter, one thread."""

    def __init__(self, path: Path) -> None:
        self._interpreter = Interpreter(str(path), num_threads=1)
        self._runner = self._interpreter.get_signature_runner("serving_default")

    def __call__(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        outputs = self._runner(**{name: np.asarray(array, order="C") for name, array in inputs.items()})
        return {name: np.array(array) for name, array in outputs.items()}

    def operations(self) -> list[tuple[str, list[int]]]:
        """Name and inputs of each builtin, in order."""
        return [(op["op_name"], list(op["inputs"])) for op in self._interpreter._get_ops_details()]

    def tensors(self) -> list[dict[str, Any]]:
        """What LiteRT says of each tensor."""
        return self._interpreter.get_tensor_details()


def outputs_of(graph: Any, *inputs: Sequence[Any], **options: Any) -> list[list[Any]]:
    """LiteRT's outputs for each list of inputs."""
    names, results = graph.output_names, []
    with tempfile.TemporaryDirectory() as folder:
        model = Model(emit(graph, Path(folder), **options))
        for arrays in inputs:
            computed = model(dict(zip(graph.input_names, arrays, strict=True)))
            results.append([computed[name] for name in names])
    return results


def check(types: Types, body: Callable[..., Any], *inputs: Sequence[Any], tolerance: float = 1e-5) -> None:
    """LiteRT computes for each list of inputs what the graph means, within ``tolerance`` of the output's range."""
    from support.comparing import assert_close
    from support.graphs import expected, graph_from

    graph = graph_from(types, body)
    wanted = [expected(graph, arrays) for arrays in inputs]
    for computed, meant in zip(outputs_of(graph, *inputs), wanted, strict=True):
        for result, truth in zip(computed, meant, strict=True):
            assert_close(result, truth, tolerance)


def run_apart(folder: Path) -> None:
    """Run this file on ``folder``; where LiteRT ends the process, say so in the case's error and go on after it."""
    for _ in range(1 + len(list(folder.iterdir()))):
        done = subprocess.run(
            [sys.executable, __file__, str(folder)], capture_output=True, text=True, check=False
        )
        if not done.returncode:
            return
        case = (folder / "running").read_text()
        (folder / case / "error.txt").write_text(
            f"process ended with {done.returncode}: {done.stderr[-500:]}"
        )
    raise AssertionError(f"Running models does not come to an end: {done.stderr}")


def _main(folder: Path) -> None:
    for case in sorted(path.parent for path in folder.glob("*/model.tflite")):
        if (case / "outputs").exists() or (case / "error.txt").exists():
            continue
        (folder / "running").write_text(case.name)
        try:
            outputs = Model(case / "model.tflite")(pickle.loads((case / "inputs").read_bytes()))
        except Exception as error:  # noqa: BLE001 - whatever it is, the test wants to know
            (case / "error.txt").write_text(f"{type(error).__name__}: {error}")
        else:
            (case / "outputs").write_bytes(pickle.dumps(outputs))


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
