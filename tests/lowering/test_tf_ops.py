"""Every row of the table of TensorFlow's functions, as Keras 2 saved it: evaluated as a graph, and exported to TF Lite and run."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kexport import plugins
from kexport.errors import LoweringError
from kexport.ir.evaluate import evaluate
from kexport.loading import load
from kexport.loading.spec import CallSpec, ModelSpec, TensorRef
from kexport.lowering import lower
from kexport.lowering.tf_ops.calls import known_functions
from lowering.specs import KERAS2, input_layer, layer, model
from lowering.test_operations import assert_agree
from lowering.tf_op_rows import ONLY_H5, ROWS
from support.making import made

HERE = Path(__file__).resolve().parent
FILES = [f"{name}.h5" for name in ROWS] + [f"{name}.keras" for name in ROWS if name not in ONLY_H5]

#: Those whose shapes are computed of the batch.
OPEN = (
    "reshape",
    "reshape-shape",
    "reshape-computed",
    "reshape-stack",
    "fill",
    "ones",
    "tile-shape",
    "broadcast_to",
    "shape-x",
)


@cache
def folder() -> Path:
    scripts = [
        HERE / name for name in ("make_tf_ops.py", "make_operations.py", "operation_rows.py", "tf_op_rows.py")
    ]
    return made("tf-ops", scripts=scripts, packages=["tf_keras", "tensorflow"], commands=[[str(scripts[0])]])


def read(file: str) -> tuple[ModelSpec, list[Any], list[Any]]:
    """The model, its inputs and what Keras computes on them."""
    recorded = np.load(
        folder() / f"{Path(file).stem if file.endswith('.h5') else file.removesuffix('.keras')}.npz"
    )
    spec = load(folder() / file)
    count = sum(name.startswith("out/") for name in recorded.files)
    outputs = [recorded[f"out/{i}"] for i in range(count)]
    return spec, [recorded[f"in/{name}"] for name in spec.input_names], outputs


def run_in_tflite(spec: ModelSpec, inputs: list[Any], batch: int | None, place: Path) -> list[Any]:
    target = plugins.target("tflite")
    options = {option.name: option.default for option in target.options}
    artifact = target.emit(target.legalize(lower(spec, batch=batch), options), place, options)
    named = dict(zip(spec.input_names, inputs, strict=True))
    results = plugins.runtime(target.runtime).run(place / artifact.main, named)
    return [results[name] for name in spec.output_names]


@pytest.mark.parametrize("file", FILES)
def test_graph(file: str) -> None:
    spec, inputs, outputs = read(file)
    with np.errstate(all="ignore"):
        computed = evaluate(lower(spec, batch=3), inputs)
    for value, expected in zip(computed, outputs, strict=True):
        assert_agree(value, expected)


@pytest.mark.parametrize("name", ROWS)
def test_tflite(name: str, tmp_path: Path) -> None:
    spec, inputs, outputs = read(f"{name}.h5")
    for value, expected in zip(run_in_tflite(spec, inputs, 3, tmp_path), outputs, strict=True):
        assert_agree(value, expected)


@pytest.mark.parametrize("name", OPEN)
def test_the_batch_may_stay_open(name: str, tmp_path: Path) -> None:
    spec, inputs, outputs = read(f"{name}.h5")
    graph = lower(spec, batch=None)
    assert graph.symbols() == ["batch"]
    computed = [evaluate(graph, inputs), run_in_tflite(spec, inputs, None, tmp_path)]
    for results in computed:
        for value, expected in zip(results, outputs, strict=True):
            assert_agree(value, expected)


def function(name: str, *first: Any, class_name: str = "TFOpLambda", **given: Any) -> ModelSpec:
    """A model of one call of a function on a tensor (batch, 4)."""
    call = CallSpec(first or (TensorRef("x"),), given)
    layers = [input_layer("x", (None, 4)), layer("f", class_name, call, function=name)]
    return model(layers, ["x"], ["f"], KERAS2)


@pytest.mark.parametrize(
    ("spec", "problem", "way_out"),
    [
        (function("math.frobnicate"), "For tf.math.frobnicate no lowering is known", "kexport knows"),
        (function("math.reduce_summ"), "no lowering is known", "Similar: reduce_sum"),
        (function("random.normal"), "draws random numbers", "without it"),
        (function("nn.dropout", rate=0.5), "draws random numbers", "without it"),
        (function("map_fn"), "Python function", "outside of it"),
        (function("boolean_mask"), "depends on the data", "three arguments"),
        (function("where"), "depends on the data", None),
        (function("linalg.svd"), "number of steps", "outside of the model"),
        (function("signal.rfft"), "complex numbers", "two tensors"),
        (function("strings.lower"), "about text", "outside of the model"),
        (function("einsum", "ij,jk->ik"), "saves no operands of tf.einsum", "tf.matmul"),
        (function("__operators__.eq"), "lacks the second operand", "tf.equal"),
        (function("reshape", shape=[TensorRef("x"), 2]), "takes lengths that are known", None),
        (function("math.add", y="text"), "takes numbers that are known", None),
        (function("cast", dtype="quaternion"), "dtype is one of", None),
        (function("split", num_or_size_splits=2, axis=7), "An axis is an integer from", None),
        (function("image.resize_bilinear", size=[2, 2]), "other pixel centres", "tf.image.resize"),
        (function("cumprod", exclusive=True), "without exclusive", None),
        (function("nn.conv2d", filters=[[1.0]], strides=1, padding="SAME"), "Layer 'f'", None),
        (
            function("__operators__.getitem", class_name="SlicingOpLambda", slice_spec=9),
            "An axis|within dimension",
            None,
        ),
    ],
    ids=lambda item: "" if isinstance(item, ModelSpec) else item,
)
def test_what_can_not_be_done_is_said(spec: ModelSpec, problem: str, way_out: str | None) -> None:
    with pytest.raises(LoweringError, match=problem) as caught:
        lower(spec, batch=3)
    assert "Layer 'f'" in str(caught.value)
    assert way_out is None or way_out in (caught.value.hint or "")


@pytest.mark.parametrize("class_name", ["ClassMethod", "InstanceMethod", "InstanceProperty"])
def test_ragged_tensors_are_refused(class_name: str) -> None:
    with pytest.raises(LoweringError, match="ragged or sparse"):
        lower(function("values", class_name=class_name))


def test_functions_are_found_in_their_modules() -> None:
    assert {"reduce_mean", "image.resize", "getitem", "matmul"} <= set(known_functions())


def test_a_function_drops_the_mask() -> None:
    layers = [
        input_layer("x", (None, 3, 2)),
        layer("masking", "Masking", TensorRef("x"), mask_value=0.0),
        layer("same", "TFOpLambda", TensorRef("masking"), function="identity"),
        *(
            layer(f"mean_{name}", "GlobalAveragePooling1D", TensorRef(name), data_format="channels_last")
            for name in ("masking", "same")
        ),
    ]
    graph = lower(model(layers, ["x"], ["mean_masking", "mean_same"], KERAS2))
    x = np.array([[[2, 4], [0, 0], [4, 8]]], "float32")
    masked, same = evaluate(graph, [x])
    np.testing.assert_allclose(masked, [[3, 6]])
    np.testing.assert_allclose(same, [[2, 4]])
