"""Every row of the table of operations, as Keras saved it: evaluated as a graph, and exported to TF Lite and run."""

from __future__ import annotations

import subprocess
import sys
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
from kexport.lowering.registry import known_layers, refused
from lowering import operation_rows, rarer_operation_rows
from lowering.specs import input_layer, layer, model, one_layer
from support.comparing import assert_close
from support.making import made

HERE = Path(__file__).resolve().parent
TABLES = {"operation_rows": operation_rows, "rarer_operation_rows": rarer_operation_rows}

#: File → the table that it is a row of.
FILES = {
    f"{name}{suffix}": table
    for table, module in TABLES.items()
    for names, suffix in ((module.ROWS, ".keras"), (module.ALSO_H5, ".h5"))
    for name in names
}

#: TF Lite has no builtin for these, and says so.
NOT_IN_TFLITE = ("bitwise-long.keras",)


@cache
def folder(table: str) -> Path:
    make = HERE / "make_operations.py"
    return made(
        table.removesuffix("_rows"),
        scripts=[make, HERE / "operation_rows.py", HERE / f"{table}.py"],
        packages=["keras", "tensorflow"],
        commands=[[str(make), f"lowering.{table}"]],
    )


def read(file: str) -> tuple[ModelSpec, list[Any], list[Any]]:
    """The model, its inputs and what Keras computes on them."""
    place = folder(FILES[file])
    recorded = np.load(place / f"{Path(file).stem}.npz")
    spec = load(place / file)
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
    spec = one_layer((None, 4), class_name, module=f"keras.src.ops.{module}")
    last = replace(spec.layers[-1], config=config)
    call = replace(last.calls[0], args=(*last.calls[0].args, *more))
    return replace(spec, layers=(*spec.layers[:-1], replace(last, calls=(call,))))


def test_an_operation_without_a_rule_is_named() -> None:
    with pytest.raises(UnknownLayerError, match=r"'layer' is a 'ops\.Frobnicate', for which no lowering"):
        lower(operation("Frobnicate"))


@pytest.mark.parametrize("name", [name for name in refused() if name.startswith("ops.")])
def test_what_is_refused_is_refused_with_its_reason(name: str) -> None:
    with pytest.raises(UnknownLayerError) as caught:
        lower(operation(name.removeprefix("ops.")))
    assert f"Layer 'layer' is a {name!r}" in str(caught.value)
    assert refused()[name].reason in str(caught.value)
    assert caught.value.hint or "base class" in str(caught.value)


def test_every_operation_of_keras_is_lowered_or_refused() -> None:
    script = [sys.executable, str(HERE / "list_operations.py")]
    listed = subprocess.run(script, check=True, capture_output=True, text=True).stdout.split()
    assert len(listed) > 300
    assert not {f"ops.{name}" for name in listed} - set(known_layers()) - set(refused())


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
        (operation("GetItem", [{"class_name": "__slice__", "config": 3.5}]), "A part of an index is"),
        (operation("Norm", module="linalg", ord="nuc", axis=[0, 1]), "singular values"),
        (operation("Einsum", subscripts="ii->i"), "none twice"),
        (operation("TopK", module="math", k=5), "top_k takes"),
        (operation("Unique"), "depends on the data"),
        (operation("Quantile", [[0.1]], axis=None), "q is a number"),
        (operation("UnravelIndex", shape=[2, 3]), "Flatten the indices"),
        (operation("SegmentSum", [0], module="math", num_segments=None), "depends on the data"),
        (operation("ScatterUpdate", [[0]], [[1, 2, 3, 4]], module="core", reduction="mean"), "reduction is"),
        (operation("FFT", module="math"), "called on a pair"),
        (
            operation(
                "STFT", module="math", sequence_length=2, sequence_stride=1, fft_length=2, window="box"
            ),
            "window is",
        ),
        (operation("Correlate", [1.0, 2.0]), "takes two vectors"),
        (operation("Inv", module="linalg"), "square matrices"),
        (operation("Solve", [[1.0, 2.0]], module="linalg"), "square matrices"),
        (operation("LuFactor", module="linalg"), "square matrices"),
        (operation("CTCDecode", [4], module="nn", strategy="beam_search"), "beam search"),
        (operation("AffineTransform", [1, 0, 0, 0, 1, 0, 0, 0], module="image"), "takes images"),
        (operation("MapCoordinates", [[0.0]], module="image", order=3), "order is 0 or 1"),
        (operation("Rearrange", "a b -> b c", module="einops"), "names each dimension"),
        (operation("View", dtype="float64"), "as many bits"),
        (operation("Gcd", 2), "takes integers"),
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
