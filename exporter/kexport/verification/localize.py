"""Finds the first layer whose output drifts from what Keras computes.

Two things are asked, layer by layer in topological order. First the graph as it was lowered, run in NumPy: where it
departs from the reference, the layer's *lowering* is at fault (or the loader's reading of the file). Otherwise the
artifact, built once more with every layer's output exposed: where that departs, the fault is in the *emission* (the
passes, the target or the runtime). Exposing a value also keeps passes from merging across it; where the drift
disappears with all layers exposed, single ones are, to bracket the layers that the faulty rewrite spans.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kexport.contracts import Artifact, Runtime
from kexport.ir import Array, Graph, GraphError
from kexport.ir.evaluate import evaluate
from kexport.reference.golden import Golden
from kexport.verification.compare import compare
from kexport.verification.expose import expose
from kexport.verification.verify import run_artifact

#: Legalizes and emits a graph; called with a graph of its own each time, which it may change.
Build = Callable[[Graph], Artifact]

#: NumPy sums in another order than any backend: what is beyond this many tolerances is not rounding.
_NUMPY_MARGIN = 10


@dataclass(frozen=True)
class Drift:
    """Where an artifact departs from the reference.

    Attributes:
        layer: the path of the first layer that drifts (with ``:1`` for its second call, ``#1`` for its second output).
        class_name: its Keras class; empty where unknown.
        error: the error of its output relative to that output's range.
        stage: ``lowering``, ``emission``, or ``optimisation`` (then ``layer`` to ``last`` is the span of layers).
        last: the last layer of the span; the same as ``layer`` for the other stages.
        sentence: all of this for people.
    """

    layer: str
    class_name: str
    error: float
    stage: str
    last: str
    sentence: str


def localize(
    graph: Graph,
    golden: Golden,
    runtime: Runtime,
    build: Build,
    *,
    tolerance: float,
    sample: int = 0,
    classes: Mapping[str, str] | None = None,
) -> Drift | None:
    """The first layer that drifts; None where no layer does and the outputs agree.

    Args:
        graph: as it came from lowering, before any pass; it is not changed.
        golden: recorded with layers.
        runtime: what ran the artifact that failed.
        build: makes an artifact of a graph, with the same options as that one.
        tolerance: as in :func:`kexport.verification.verify`.
        sample: the sample to look at (``Verdict.worst.worst_sample``).
        classes: Keras class names by layer path.
    """
    golden = golden.renamed(graph.input_names, graph.output_names)
    search = _Search(graph, golden, runtime, build, tolerance, sample, classes or {})
    return search.in_lowering() or search.in_emission()


class _Search:
    def __init__(
        self,
        graph: Graph,
        golden: Golden,
        runtime: Runtime,
        build: Build,
        tolerance: float,
        sample: int,
        classes: Mapping[str, str],
    ) -> None:
        self.graph = graph
        self.runtime = runtime
        self.build = build
        self.tolerance = tolerance
        self.classes = classes
        self.inputs = {name: _one(golden.inputs[name], sample) for name in graph.input_names}
        self.outputs = {name: _one(golden.outputs[name], sample) for name in graph.output_names}
        self.layers = {key: _one(array, sample) for key, array in golden.layers.items()}
        self.keys = [key for key in topological_keys(graph) if key in self.layers]
        self.in_numpy: dict[str, Array] = {}

    def in_lowering(self) -> Drift | None:
        """The first layer that the lowered graph itself gets wrong."""
        self.in_numpy = self._evaluate()
        drifted = self._first(self.in_numpy, self.tolerance * _NUMPY_MARGIN)
        return self._lowered_wrongly(*drifted) if drifted is not None else None

    def _lowered_wrongly(self, key: str, error: float) -> Drift:
        why = (
            "The graph already computes something else there, before any pass: the layer was lowered otherwise than "
            "Keras computes it."
        )
        return self._drift(key, error, "lowering", why)

    def _evaluate(self) -> dict[str, Array]:
        """The layers' values on the sample; empty where NumPy can't run the graph."""
        wanted = [self.graph.layer_outputs[key] for key in self.keys]
        batch = self.graph.inputs[0].shape[0]
        count = batch if isinstance(batch, int) else 1
        arrays = [np.repeat(self.inputs[name], count, axis=0) for name in self.graph.input_names]
        try:
            with np.errstate(all="ignore"):
                values = evaluate(self.graph, arrays, wanted)
        except (GraphError, ValueError, KeyError):
            return {}
        return {key: array[:1] for key, array in zip(self.keys, values, strict=True)}

    def in_emission(self) -> Drift | None:
        """The first layer that the artifact gets wrong though the graph is right."""
        computed = self._run(self.keys)
        drifted = self._first(computed, self.tolerance)
        if drifted is not None:
            key, error = drifted
            if self._first({k: v for k, v in self.in_numpy.items() if k == key}, self.tolerance) is not None:
                return self._lowered_wrongly(key, error)
            return self._drift(
                key,
                error,
                "emission",
                "The graph computes it rightly before the passes: the passes, the target or the runtime changed it.",
            )
        wrong = self._wrong_output(computed)
        if wrong is not None:
            name, error = wrong
            return self._drift(
                name, error, "emission", "Every layer before it is right in the artifact; this output is not."
            )
        return self._between()

    def _between(self) -> Drift | None:
        """Every layer is right while all are exposed: bracket the rewrite by exposing one at a time."""
        worst = self._wrong_output(self._run([]))
        if worst is None:
            return None
        low, high = (
            0,
            len(self.keys),
        )  # self.keys[:low] are right, the output after self.keys[high - 1] is wrong
        while low < high:
            middle = (low + high) // 2
            computed = self._run([self.keys[middle]])
            if self._first(computed, self.tolerance) is not None:
                high = middle
            elif self._wrong_output(computed) is not None:
                low = middle + 1
            else:
                break  # the rewrite spans this very layer
        span = self.keys[max(low - 1, 0) : high + 1] or [worst[0]]
        return self._drift(
            span[0],
            worst[1],
            "optimisation",
            "With every layer's output exposed the artifact is right: a rewrite that merges these layers is at fault.",
            last=span[-1],
        )

    def _run(self, keys: Sequence[str]) -> dict[str, Array]:
        exposed = expose(self.graph, keys)
        artifact = self.build(exposed.graph)
        outputs = run_artifact(artifact, self.runtime, self.inputs)
        return {key: outputs[name] for key, name in exposed.names.items()}

    def _first(self, computed: Mapping[str, Array], tolerance: float) -> tuple[str, float] | None:
        for key in self.keys:
            if key in computed:
                row = compare(key, self.layers[key], computed[key], tolerance=tolerance)
                if not row.passed:
                    return key, row.max_rel_error
        return None

    def _wrong_output(self, computed: Mapping[str, Array]) -> tuple[str, float] | None:
        for name in self.graph.output_names:
            row = compare(name, self.outputs[name], computed[f"output {name}"], tolerance=self.tolerance)
            if not row.passed:
                return name, row.max_rel_error
        return None

    def _drift(self, key: str, error: float, stage: str, why: str, *, last: str | None = None) -> Drift:
        class_name = self.classes.get(layer_path(key), "")
        shown = f"{key!r} ({class_name})" if class_name else repr(key)
        if last is not None and last != key:
            head = f"The drift arises between the layers {shown} and {last!r}"
        else:
            head = f"The first layer that drifts is {shown}"
        return Drift(
            layer=key,
            class_name=class_name,
            error=error,
            stage=stage,
            last=last or key,
            sentence=f"{head}: off by {error:.2g} of its range. {why}",
        )


def layer_path(key: str) -> str:
    """The layer's path in a key of ``Graph.layer_outputs``: without ``:call`` and ``#tensor``."""
    head, _, tensor = key.rpartition("#")
    key = head if head and tensor.isdigit() else key
    head, _, call = key.rpartition(":")
    return head if head and call.isdigit() else key


def topological_keys(graph: Graph) -> list[str]:
    """The keys of ``layer_outputs`` whose values are computed by nodes, in the order the graph computes them."""
    position = {value: index for index, node in enumerate(graph.nodes) for value in node.outputs}
    keys = [key for key, value in graph.layer_outputs.items() if value in position]
    return sorted(keys, key=lambda key: position[graph.layer_outputs[key]])


def _one(array: Array, sample: int) -> Array:
    return array[sample : sample + 1]
