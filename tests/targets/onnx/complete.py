"""Options with their defaults, and files from graphs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kexport.contracts import Artifact
from kexport.ir import Graph
from kexport_targets.onnx import TARGET


def options(**given: Any) -> dict[str, Any]:
    """Every option of the target: the one given, or its default."""
    return {option.name: option.default for option in TARGET.options} | given


def emitted(graph: Graph, folder: Path, **given: Any) -> Artifact:
    """Legalize (which changes ``graph``) and write it; ``main`` is where the file is."""
    complete = options(**given)
    folder.mkdir(parents=True, exist_ok=True)
    artifact = TARGET.emit(TARGET.legalize(graph, complete), folder, complete)
    assert {path.name for path in folder.iterdir()} == {path.name for path in artifact.files}
    return Artifact(folder / artifact.main, artifact.files, artifact.signature, artifact.details)
