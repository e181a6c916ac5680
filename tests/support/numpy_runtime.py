"""A target and a runtime that keep graphs in memory and run them in NumPy: for tests of what is around them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kexport.contracts import Artifact, Signature
from kexport.ir import Array, Graph
from kexport.ir.evaluate import evaluate


class NumpyRuntime:
    """Runs the graphs that :meth:`build` was given, after ``change`` (a pass, faulty or not) had its way with them."""

    name = "numpy"

    def __init__(self, change: Callable[[Graph], None] = lambda graph: None) -> None:
        self.change = change
        self.graphs: dict[Path, Graph] = {}
        self.missing: str | None = None
        self.batches: list[int] = []

    def build(self, graph: Graph) -> Artifact:
        """The artifact of a graph."""
        self.change(graph)
        main = Path(f"model{len(self.graphs)}")
        self.graphs[main] = graph
        return Artifact(main, (main,), Signature.of(graph))

    def available(self) -> str | None:
        return self.missing

    def version(self) -> str:
        return "numpy 0"

    def run(self, artifact: Path, inputs: Mapping[str, Array]) -> dict[str, Array]:
        graph = self.graphs[artifact]
        arrays = [inputs[name] for name in graph.input_names]
        self.batches.append(len(arrays[0]))
        for array, value in zip(arrays, graph.inputs, strict=True):
            if array.dtype.name != value.dtype or (value.shape[0] == 1 and len(array) != 1):
                raise ValueError(f"{value!r} was given {array.dtype}{array.shape}")
        return dict(zip(graph.output_names, evaluate(graph, arrays), strict=True))

    def benchmark(
        self, artifact: Path, inputs: Mapping[str, Array], *, runs: int, threads: int
    ) -> Mapping[str, Any]:
        raise NotImplementedError
