"""The first layer that drifts is named, whether the lowering, the emission or a merge across layers is at fault."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kexport.ir import Array, Builder, Graph, TensorType, Value, symbol
from kexport.ir.evaluate import evaluate
from kexport.reference import Golden
from kexport.verification import Drift, localize
from kexport.verification.expose import expose
from kexport.verification.localize import layer_path, topological_keys
from support.graphs import graph_of
from support.numpy_runtime import NumpyRuntime

LAYERS = ["stem", "block/a", "block/b", "join", "head"]
CLASSES = dict.fromkeys(LAYERS, "Dense") | {"join": "Add"}


def model(batch: object = 1, broken: str = "", amount: float = 0.05) -> Graph:
    """stem → (a → b) + stem → head; the kernel of the layer ``broken`` is off."""

    def dense(b: Builder, name: str, x: Value) -> Value:
        b.origin = name
        seed = LAYERS.index(name)
        kernel = np.random.RandomState(seed).standard_normal((4, 4)).astype(np.float32) / 4
        if name == broken:
            kernel[1, 2] += amount
        return b.op("tanh", b.op("dense", x, b.constant(kernel)))

    def body(b: Builder, x: Value) -> Mapping[str, Value]:
        stem = dense(b, "stem", x)
        deep = dense(b, "block/b", dense(b, "block/a", stem))
        b.origin = "join"
        joined = b.op("add", deep, stem)
        return {"head": dense(b, "head", joined), "join": joined}

    return graph_of({"x": TensorType("float32", (batch, 4))}, body, layers=LAYERS)


def reference(samples: int = 3) -> Golden:
    graph = model(symbol("batch"))
    x = np.random.RandomState(9).standard_normal((samples, 4)).astype(np.float32)
    values = evaluate(graph, [x], [*graph.outputs, *graph.layer_outputs.values()])
    layers = dict(zip(graph.layer_outputs, values[2:], strict=True))
    return Golden({"x": x}, {"head": values[0], "join": values[1]}, layers)


def find(graph: Graph, runtime: NumpyRuntime, golden: Golden | None = None) -> Drift | None:
    return localize(
        graph, golden or reference(), runtime, runtime.build, tolerance=1e-5, sample=1, classes=CLASSES
    )


def break_layer(name: str) -> NumpyRuntime:
    """A target that emits the kernel of that layer wrongly."""

    def change(graph: Graph) -> None:
        for node in graph.nodes:
            if node.op == "dense" and node.origin == name:
                kernel = node.input(1)
                assert kernel.constant is not None
                kernel.constant = kernel.constant.map(lambda array: array * np.float32(1.01))

    return NumpyRuntime(change)


@pytest.mark.parametrize("broken", ["stem", "block/a", "block/b", "head"])
@pytest.mark.parametrize("batch", [1, 4, symbol("batch")])
def test_a_layer_lowered_wrongly_is_named(broken: str, batch: object) -> None:
    drift = find(model(batch, broken), NumpyRuntime())
    assert drift is not None
    assert (drift.layer, drift.class_name, drift.stage, drift.last) == (broken, "Dense", "lowering", broken)
    assert drift.error > 1e-4
    assert f"'{broken}' (Dense)" in drift.sentence
    assert "lowered" in drift.sentence


@pytest.mark.parametrize("broken", ["stem", "block/a", "block/b", "head"])
def test_a_layer_emitted_wrongly_is_named(broken: str) -> None:
    drift = find(model(), break_layer(broken))
    assert drift is not None
    assert (drift.layer, drift.stage) == (broken, "emission")
    assert "passes, the target or the runtime" in drift.sentence


def test_a_small_error_of_the_lowering_is_not_blamed_on_the_target() -> None:
    drift = find(model(broken="head", amount=1e-4), NumpyRuntime())
    assert drift is not None
    assert 1e-5 < drift.error < 1e-4
    assert (drift.layer, drift.stage) == ("head", "lowering")


def test_nothing_drifts_in_a_right_artifact() -> None:
    assert find(model(), NumpyRuntime()) is None


def test_the_graph_is_not_changed() -> None:
    graph = model()
    before = str(graph)
    find(graph, break_layer("block/a"))
    assert str(graph) == before
    graph.check()


def merging(first: str, last: str) -> NumpyRuntime:
    """A target whose rewrite merges two layers into one, wrongly; it needs every value between them to itself."""

    def change(graph: Graph) -> None:
        outer = next(n for n in graph.nodes if n.op == "dense" and n.origin == last)
        inner = next(n for n in graph.nodes if n.op == "dense" and n.origin == first)
        between = [node.output for node in graph.nodes if node.origin == first]
        if any(value in graph.outputs for value in between):
            return
        kernel = inner.input(1)
        assert kernel.constant is not None
        changed = Value(
            "merged", kernel.dtype, kernel.shape, kernel.constant.map(lambda array: array * np.float32(2))
        )
        inner.inputs[1] = changed
        assert outer.inputs[0] is between[-1]

    return NumpyRuntime(change)


def test_a_merge_across_layers_is_bracketed() -> None:
    drift = find(model(), merging("block/a", "block/b"))
    assert drift is not None
    assert drift.stage == "optimisation"
    span = LAYERS[LAYERS.index(drift.layer) : LAYERS.index(drift.last) + 1]
    assert {"block/a", "block/b"} & set(span)
    assert len(span) <= 3
    assert "With every layer's output exposed the artifact is right" in drift.sentence


def test_an_output_wrong_behind_right_layers_is_named() -> None:
    golden = reference()
    runtime = NumpyRuntime()
    layers = {key: array for key, array in golden.layers.items() if key in ("stem", "block/a")}
    drift = find(model(broken="head"), runtime, Golden(golden.inputs, golden.outputs, layers))
    assert drift is not None
    assert drift.layer == "head"


def test_without_recorded_layers_the_output_is_named() -> None:
    golden = reference()
    drift = find(model(), break_layer("stem"), Golden(golden.inputs, golden.outputs))
    assert drift is not None
    assert drift.stage == "emission"
    assert drift.layer in ("head", "join")


@settings(max_examples=20)
@given(
    st.sampled_from(["stem", "block/a", "block/b", "head"]),
    st.integers(0, 3),
    st.integers(0, 3),
    st.booleans(),
)
def test_any_changed_weight_is_found(layer: str, row: int, column: int, negative: bool) -> None:
    graph = model()
    for node in graph.nodes:
        if node.op == "dense" and node.origin == layer:
            kernel = node.input(1)
            assert kernel.constant is not None
            step = np.zeros((4, 4), np.float32)
            step[row, column] = -0.1 if negative else 0.1

            def moved(array: Array, step: Array = step) -> Array:
                return array + step

            kernel.constant = kernel.constant.map(moved)
    drift = find(graph, NumpyRuntime())
    assert drift is not None
    assert drift.layer == layer


def test_exposed_values_are_outputs_once() -> None:
    graph = model()
    graph.layer_outputs["alias"] = graph.layer_outputs["stem"]
    exposed = expose(graph, ["stem", "alias", "join"])
    exposed.graph.check()
    assert exposed.graph.output_names == ["head", "join", "stem"]
    assert exposed.names == {
        "output head": "head",
        "output join": "join",
        "stem": "stem",
        "alias": "stem",
        "join": "join",
    }


def test_exposed_names_are_new() -> None:
    graph = model()
    graph.output_names = ["stem", "join"]
    exposed = expose(graph, ["stem"])
    assert exposed.graph.output_names == ["stem", "join", "stem_1"]
    assert exposed.names["stem"] == "stem_1"


def test_a_copy_shares_only_contents() -> None:
    graph = model()
    copied = graph.copy()
    assert str(copied) == str(graph)
    assert not set(copied.nodes) & set(graph.nodes)
    for node, twin in zip(graph.nodes, copied.nodes, strict=True):
        assert all(value.producer is twin for value in twin.outputs)
        assert twin.attrs is not node.attrs


def test_keys_are_in_topological_order() -> None:
    graph = model()
    graph.layer_outputs = dict(reversed(graph.layer_outputs.items()))
    assert topological_keys(graph) == LAYERS


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("a/b", "a/b"),
        ("a/b:1", "a/b"),
        ("a/b#2", "a/b"),
        ("a/b:1#2", "a/b"),
        ("a:b", "a:b"),
        ("a#b", "a#b"),
        (":1", ":1"),
    ],
)
def test_paths_of_keys(key: str, path: str) -> None:
    assert layer_path(key) == path
