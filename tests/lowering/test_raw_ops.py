"""Functions as tf.keras of TensorFlow 2.1 to 2.3 saved them, an operator a layer: evaluated as a graph, and some in TF Lite."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kexport.errors import LoweringError
from kexport.ir.evaluate import evaluate
from kexport.loading import load
from kexport.loading.spec import CallSpec, ModelSpec, TensorRef
from kexport.lowering import lower
from lowering.specs import KERAS2, input_layer, layer, model
from lowering.test_operations import assert_agree
from lowering.test_tf_ops import run_in_tflite
from lowering.tf_op_rows import ROWS
from support.making import made

HERE = Path(__file__).resolve().parent

#: What it returns is a constant, which no layer computes.
NOT_SAVED = {"rank-x"}

#: Rows with an operator that is not lowered, or a table of numbers a row.
NOT_LOWERED = {
    "image.rot90-a": "StatelessIf",
    "repeat-list": "Where",
    "resize-enum": "ScaleAndTranslate",
    "searchsorted": "one dimension",
}

IN_TFLITE = (
    *("math.reduce_mean-x", "reshape-shape", "getitem-slices", "getitem-tensor", "split", "matmul"),
    *("conv2d", "where", "one_hot", "concat", "tensordot"),
)


@cache
def folder() -> Path:
    scripts = [
        HERE / name
        for name in (
            "make_raw_ops.py", "make_tf_ops.py", "make_operations.py", "operation_rows.py", "tf_op_rows.py"
        )
    ]  # fmt: skip
    return made("raw-ops", scripts=scripts, packages=["tf_keras", "tensorflow"], commands=[[str(scripts[0])]])


def read(name: str) -> tuple[ModelSpec, list[Any], list[Any]]:
    """The model, its inputs and what tf_keras computes on them."""
    recorded, spec = np.load(folder() / f"{name}.npz"), load(folder() / f"{name}.h5")
    count = sum(key.startswith("out/") for key in recorded.files)
    return (
        spec,
        [recorded[f"in/{key}"] for key in spec.input_names],
        [recorded[f"out/{i}"] for i in range(count)],
    )


@pytest.mark.parametrize("name", [name for name in ROWS if name not in NOT_SAVED | NOT_LOWERED.keys()])
def test_graph(name: str) -> None:
    spec, inputs, outputs = read(name)
    with np.errstate(all="ignore"):
        computed = evaluate(lower(spec, batch=3), inputs)
    for value, expected in zip(computed, outputs, strict=True):
        assert_agree(value, expected)


@pytest.mark.parametrize("name", IN_TFLITE)
def test_tflite(name: str, tmp_path: Path) -> None:
    spec, inputs, outputs = read(name)
    for value, expected in zip(run_in_tflite(spec, inputs, 3, tmp_path), outputs, strict=True):
        assert_agree(value, expected)


@pytest.mark.parametrize(("name", "problem"), NOT_LOWERED.items())
def test_what_is_not_lowered(name: str, problem: str) -> None:
    with pytest.raises(LoweringError, match=problem):
        lower(read(name)[0], batch=3)


def operator(node: Any, **constants: Any) -> ModelSpec:
    """A model of one operator on a tensor (batch, 4, 4, 1)."""
    call = CallSpec((TensorRef("x"),), {})
    config = {"node_def": node, "constants": constants}
    layers = [input_layer("x", (None, 4, 4, 1)), layer("f", "TensorFlowOpLayer", call, **config)]
    return model(layers, ["x"], ["f"], KERAS2)


@pytest.mark.parametrize(
    ("spec", "problem", "way_out"),
    [
        (operator("\n\u0003add"), "NodeDef as JSON", "TensorFlow 2.2"),
        (operator({"op": 5}), "NodeDef as JSON", None),
        (operator({"op": "Frobnicate"}), "operator Frobnicate no lowering is known", "layer of Keras"),
        (operator({"op": "Meann"}), "no lowering is known", "Similar: Mean"),
        (operator({"op": "Mean"}, **{"1": "text"}), "takes numbers", None),
        (operator({"op": "Mean"}, one=2), "do not fit together", None),
        (operator({"op": "Mean", "attr": 5}), "do not fit together", None),
        (operator({"op": "Mean"}, **{"1": [9]}), "An axis is an integer", None),
        (operator({"op": "ResizeBilinear"}, **{"1": [2, 2]}), "half_pixel_centers=True", "tf.image.resize"),
        (operator({"op": "StridedSlice"}), "do not fit together", None),
    ],
)
def test_what_can_not_be_done_is_said(spec: ModelSpec, problem: str, way_out: str | None) -> None:
    with pytest.raises(LoweringError, match=problem) as caught:
        lower(spec, batch=3)
    assert "Layer 'f'" in str(caught.value)
    assert way_out is None or way_out in (caught.value.hint or "")


def test_a_condition_may_have_one_element_a_row() -> None:
    config = {
        "node_def": {"op": "Select", "attr": {"T": {"type": "DT_FLOAT"}}},
        "constants": {"2": [[1.0, 2.0]] * 2},
    }
    call = CallSpec(([TensorRef("c"), TensorRef("x")],), {})
    layers = [
        input_layer("c", (None,), dtype="bool"),
        input_layer("x", (None, 2)),
        layer("f", "TensorFlowOpLayer", call, **config),
    ]
    graph = lower(model(layers, ["c", "x"], ["f"], KERAS2), batch=2)
    inputs = [np.array([True, False]), np.zeros((2, 2), np.float32)]
    np.testing.assert_array_equal(evaluate(graph, inputs)[0], [[0.0, 0.0], [1.0, 2.0]])
