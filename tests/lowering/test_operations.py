"""Every row of the table of operations, as Keras saved it: evaluated as a graph, and exported to TF Lite and run."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kexport import plugins
from kexport.errors import LoweringError, UnknownLayerError, UnsupportedOpError
from kexport.ir.evaluate import evaluate
from kexport.loading import load
from kexport.loading.spec import CallSpec, ModelSpec, TensorRef
from kexport.lowering import lower
from lowering.operation_rows import ALSO_H5, ROWS
from lowering.specs import input_layer, layer, model, one_layer
from support.comparing import assert_close
from support.making import made

HERE = Path(__file__).resolve().parent
FILES = [f"{name}.keras" for name in ROWS] + [f"{name}.h5" for name in ALSO_H5]

#: TF Lite has no builtin for these, and says so.
NOT_IN_TFLITE = ("bitwise.keras",)


@cache
def folder() -> Path:
    make = HERE / "make_operations.py"
    return made(
        "operations",
        scripts=[make, HERE / "operation_rows.py"],
        packages=["keras", "tensorflow"],
        commands=[[str(make)]],
    )


def read(file: str) -> tuple[ModelSpec, list[Any], list[Any]]:
    """The model, its inputs and what Keras computes on them."""
    recorded = np.load(folder() / f"{Path(file).stem}.npz")
    spec = load(folder() / file)
    count = sum(name.startswith("out/") for name in recorded.files)
    return (
        spec,
        [recorded[f"in/{name}"] for name in spec.input_names],
        [recorded[f"out/{i}"] for i in range(count)],
    )


@pytest.mark.parametrize("file", FILES)
def test_graph(file: str) -> None:
    spec, inputs, outputs = read(file)
    with np.errstate(all="ignore"):
        computed = evaluate(lower(spec, batch=3), inputs)
    for value, expected in zip(computed, outputs, strict=True):
        assert_agree(value, expected)


@pytest.mark.parametrize("file", [file for file in FILES if file not in NOT_IN_TFLITE])
def test_tflite(file: str, tmp_path: Path) -> None:
    spec, inputs, outputs = read(file)
    target = plugins.target("tflite")
    options = {option.name: option.default for option in target.options}
    artifact = target.emit(target.legalize(lower(spec, batch=3), options), tmp_path, options)
    named = dict(zip(spec.input_names, inputs, strict=True))
    results = plugins.runtime(target.runtime).run(tmp_path / artifact.main, named)
    for name, expected in zip(spec.output_names, outputs, strict=True):
        assert_agree(results[name], expected)


def assert_agree(computed: Any, expected: Any) -> None:
    """Close where both are finite; NaN and infinities in the same places."""
    assert computed.dtype == expected.dtype
    if expected.dtype.kind != "f":
        assert_close(computed, expected)
        return
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(computed[~finite], expected[~finite])
    wide = (np.where(finite, array, 0).astype("float64") for array in (computed, expected))
    assert_close(*wide, 2e-3 if expected.dtype == np.float16 else 1e-5)


@pytest.mark.parametrize("file", NOT_IN_TFLITE)
def test_refused_by_tflite(file: str) -> None:
    target = plugins.target("tflite")
    options = {option.name: option.default for option in target.options}
    with pytest.raises(UnsupportedOpError):
        target.legalize(lower(read(file)[0], batch=3), options)


def operation(class_name: str, *more: Any, module: str = "numpy", **config: Any) -> ModelSpec:
    """A model of one operation on a float tensor (batch, 4) and ``more``."""
    spec = one_layer((None, 4), class_name, module=f"keras.src.ops.{module}", **config)
    last = spec.layers[-1]
    call = replace(last.calls[0], args=(*last.calls[0].args, *more))
    return replace(spec, layers=(*spec.layers[:-1], replace(last, calls=(call,))))


@pytest.mark.parametrize(
    ("class_name", "module"), [("SVD", "linalg"), ("FFT", "math"), ("WhileLoop", "core"), ("Unique", "numpy")]
)
def test_an_operation_without_a_rule_is_named(class_name: str, module: str) -> None:
    with pytest.raises(UnknownLayerError, match=rf"'layer' is a 'ops\.{class_name}'"):
        lower(operation(class_name, module=module))


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        (operation("Where"), "depends on the data"),
        (operation("Add", 1, 2), "called with x1, x2"),
        (operation("Add", "text"), "tensors, arrays and numbers"),
        (operation("Pad", pad_width=[[0, 0], [1, 1]], mode="wrap"), "mode is"),
        (operation("Split", indices_or_sections=3, axis=1), "equal parts"),
        (operation("Reshape", newshape=[-1, 3]), "holds the elements"),
        (operation("GetItem", [{"class_name": "__slice__", "config": {}}, 4]), "within dimension 1"),
        (operation("Norm", module="linalg", ord="nuc", axis=[0, 1]), "singular values"),
        (operation("Einsum", subscripts="ii->i"), "none twice"),
    ],
    ids=lambda item: "" if isinstance(item, ModelSpec) else item,
)
def test_what_can_not_be_done_is_said(spec: ModelSpec, problem: str) -> None:
    with pytest.raises(LoweringError, match=problem):
        lower(spec)


def test_lengths_may_stay_open() -> None:
    names = [
        "operators",
        "index-slices",
        "reshape",
        "tile",
        "repeat",
        "roll",
        "softmax-axis",
        "einsum",
        "matmul",
    ]
    for name in names:
        spec, inputs, outputs = read(f"{name}.keras")
        graph = lower(spec, batch=None)
        assert graph.symbols() == ["batch"]
        for value, expected in zip(evaluate(graph, inputs), outputs, strict=True):
            assert_agree(value, expected)


def test_an_operation_drops_the_mask() -> None:
    ops = "keras.src.ops.numpy"
    layers = [
        input_layer("x", (None, 3, 2)),
        layer("masking", "Masking", TensorRef("x"), mask_value=0.0),
        layer("same", "Copy", TensorRef("masking"), module=ops),
        layer("more", "Add", CallSpec((TensorRef("masking"), 1.0)), module=ops),
        *(
            layer(f"mean_{name}", "GlobalAveragePooling1D", TensorRef(name), data_format="channels_last")
            for name in ("masking", "same", "more")
        ),
    ]
    graph = lower(model(layers, ["x"], ["mean_masking", "mean_same", "mean_more"]))
    x = np.array([[[2, 4], [0, 0], [4, 8]]], "float32")
    masked, same, more = evaluate(graph, [x])
    np.testing.assert_allclose(masked, [[3, 6]])
    np.testing.assert_allclose(same, [[2, 4]])
    np.testing.assert_allclose(more, [[3, 5]])
