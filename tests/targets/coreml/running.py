"""Graphs as packages, written and run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kexport.ir import Array, Graph
from kexport_runtimes.coreml import INTERPRETER
from kexport_targets.coreml import TARGET
from support.graphs import Body, Types, expected, graph_from

DEFAULTS = {option.name: option.default for option in TARGET.options}


def options(**chosen: Any) -> dict[str, Any]:
    return {**DEFAULTS, "float16": False, **chosen}


def emitted(graph: Graph, folder: Path, **chosen: Any) -> Any:
    """The artifact of a graph, its ``main`` a path that is there."""
    complete = options(**chosen)
    artifact = TARGET.emit(TARGET.legalize(graph, complete), folder, complete)
    assert sorted(path for path in folder.rglob("*") if path.is_file()) == sorted(
        folder / file for file in artifact.files
    )
    return artifact


def run(artifact: Any, folder: Path, inputs: Mapping[str, Array]) -> dict[str, Array]:
    return INTERPRETER.run(folder / artifact.main, inputs)


def assert_means_the_same(
    folder: Path,
    types: Types,
    body: Body,
    inputs: Mapping[str, Array],
    tolerance: float = 1e-6,
    **chosen: Any,
) -> Any:
    """The package of what ``body`` builds computes what that means in NumPy; returns the artifact."""
    graph = graph_from(types, body)
    truth = expected(graph, list(inputs.values()))
    artifact = emitted(graph, folder, **chosen)
    outputs = run(artifact, folder, inputs)
    for port, wanted in zip(artifact.signature.outputs, truth, strict=True):
        got = outputs[port.name]
        assert got.shape == wanted.shape
        span = max(float(np.abs(wanted).max(initial=0)), 1e-6)
        np.testing.assert_allclose(got, wanted, rtol=0, atol=tolerance * span)
    return artifact
