"""The layer that drifts, found between a real Keras and a graph in which one layer's weights were changed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kexport.ir import Array, Graph
from kexport.loading import load
from kexport.loading.spec import ModelSpec
from kexport.lowering import lower
from kexport.reference import Golden, Reference, golden_inputs
from kexport.verification import localize, verify
from support.making import made
from support.numpy_runtime import NumpyRuntime

MAKE = Path(__file__).resolve().parents[1] / "reference" / "make_models.py"


@pytest.fixture(scope="module")
def spec() -> ModelSpec:
    folder = made(
        "reference",
        scripts=[MAKE],
        packages=["keras", "tf_keras", "tensorflow"],
        commands=[[str(MAKE), "keras"], [str(MAKE), "tf_keras"]],
    )
    return load(folder / "tf_keras-nested.h5")


@pytest.fixture(scope="module")
def golden(spec: ModelSpec) -> Golden:
    assert spec.source is not None
    graph = lower(spec)
    with Reference.start(spec.source, spec.provenance) as reference:
        return reference.predict(golden_inputs(graph), output_names=graph.output_names, layers=True)


def broken(graph: Graph, layer: str) -> Graph:
    """``graph`` with the first weights of ``layer`` scaled by 1.01."""

    def scaled(array: Array) -> Array:
        return array * np.float32(1.01)

    node = next(node for node in graph.nodes if node.origin == layer and node.op in ("conv", "dense"))
    kernel = node.input(1)
    assert kernel.constant is not None
    kernel.constant = kernel.constant.map(scaled)
    return graph


def test_the_model_itself_passes(spec: ModelSpec, golden: Golden) -> None:
    runtime = NumpyRuntime()
    verdict = verify(runtime.build(lower(spec)), runtime, golden, tolerance=1e-5)
    assert verdict.passed
    assert verdict.reference.startswith("tf_keras 2")
    assert verdict.samples == 4


@pytest.mark.parametrize(
    ("layer", "class_name"),
    [
        ("inner/conv", "Conv2D"),
        ("before", "Dense"),
        ("shared", "Dense"),
        ("between", "Dense"),
    ],
)
def test_a_changed_layer_is_named(spec: ModelSpec, golden: Golden, layer: str, class_name: str) -> None:
    runtime = NumpyRuntime()
    graph = broken(lower(spec), layer)
    verdict = verify(runtime.build(graph), runtime, golden, tolerance=1e-5)
    assert not verdict.passed
    drift = localize(
        broken(lower(spec), layer),
        golden,
        runtime,
        runtime.build,
        tolerance=verdict.tolerance,
        sample=verdict.worst.worst_sample,
        classes={entry.path: entry.class_name for entry in spec.walk()},
    )
    assert drift is not None
    assert (drift.layer, drift.class_name, drift.stage) == (layer, class_name, "lowering")
