"""Where half precision drifts: a legalized graph computed in NumPy twice, in float32 and with every result rounded to float16."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from kexport.ir import Array, Graph, Node, Value
from kexport.ir.evaluate import bind_symbols, evaluate_node

#: As many samples are measured.
SAMPLES = 2


def drifting(graph: Graph, inputs: Mapping[str, Array], kept: frozenset[str]) -> Iterator[frozenset[str]]:
    """Ever more layers to keep in float32, those first that drift most in half precision: what overflows at once, then twice as many
    each time, at last all.

    Args:
        graph: legalized, in float32.
        inputs: golden ones, (samples, …) by name.
        kept: the layers that are in float32 already.
    """
    found = drifts(graph, [_sample(value, inputs[name]) for value, name in _named(graph)])
    order = sorted((name for name in found if name not in kept), key=lambda name: (-found[name], name))
    beyond = sum(math.isinf(found[name]) for name in order)
    count = beyond or max(1, len(order) // 20)
    while order:
        yield kept | frozenset(order[:count])
        if count >= len(order):
            return
        count *= 2


def _named(graph: Graph) -> Iterator[tuple[Value, str]]:
    return zip(graph.inputs, graph.input_names, strict=True)


def _sample(value: Value, given: Array) -> Array:
    """As many samples as the artifact's batch, or :data:`SAMPLES` of an open one."""
    batch = value.shape[0] if isinstance(value.shape[0], int) else SAMPLES
    rows = (
        np.resize(np.arange(min(len(given), batch)), batch)
        if isinstance(value.shape[0], int)
        else slice(batch)
    )
    return given[rows].astype(value.dtype)


def drifts(graph: Graph, inputs: Sequence[Array]) -> dict[str, float]:
    """For each layer (origin) by how much more its results are off, of their range, than what it computes them from: infinite where
    they are beyond float16."""
    with np.errstate(all="ignore"):
        return _Tracks(graph, inputs).measured()


class _Tracks:
    """Both computations side by side."""

    def __init__(self, graph: Graph, inputs: Sequence[Array]) -> None:
        self._graph = graph
        self._bindings: Mapping[str, int] = bind_symbols(graph.inputs, inputs)
        self._exact: dict[Value, Array] = dict(zip(graph.inputs, inputs, strict=True))
        self._rounded: dict[Value, Array] = {v: _rounded(a) for v, a in self._exact.items()}
        self._errors: dict[Value, float] = {}

    def measured(self) -> dict[str, float]:
        found: dict[str, float] = {}
        left = {value: len(nodes) for value, nodes in self._graph.users().items()}
        for node in self._graph.nodes:
            before = max((self._errors.get(v, 0.0) for v in node.inputs if v is not None), default=0.0)
            self._compute(node)
            after = max(self._errors[value] for value in node.outputs)
            gain = math.inf if math.isinf(after) else after - before
            found[node.origin] = max(found.get(node.origin, 0.0), gain)
            for value in dict.fromkeys(v for v in node.inputs if v is not None and v.constant is None):
                left[value] -= 1
                if not left[value]:
                    del self._exact[value], self._rounded[value]
        return found

    def _compute(self, node: Node) -> None:
        exact = evaluate_node(node, [self._read(v, self._exact) for v in node.inputs], self._bindings)
        near = evaluate_node(node, [self._read(v, self._rounded) for v in node.inputs], self._bindings)
        for value, wanted, got in zip(node.outputs, exact, map(_rounded, near), strict=True):
            self._exact[value] = wanted
            # From what is beyond float16 on, nothing more is learnt from what is computed of it.
            error = _error(wanted, got)
            self._rounded[value] = wanted if math.isinf(error) else got
            self._errors[value] = error

    def _read(self, value: Value | None, arrays: Mapping[Value, Array]) -> Array | None:
        if value is None:
            return None
        if value.constant is None:
            return arrays[value]
        array = value.constant.numpy()
        return _rounded(array) if arrays is self._rounded else array


def _rounded(array: Array) -> Array:
    return array.astype(np.float16).astype(np.float32) if array.dtype == np.float32 else array


def _error(wanted: Array, got: Array) -> float:
    if wanted.dtype.kind != "f" or not wanted.size:
        return 0.0 if np.array_equal(wanted, got) else 1.0
    finite = np.isfinite(wanted)
    if not np.isfinite(got[finite]).all():
        return math.inf
    span = float(wanted[finite].max(initial=0) - wanted[finite].min(initial=0)) or 1.0
    return float(np.abs(wanted[finite] - got[finite]).max(initial=0)) / span
