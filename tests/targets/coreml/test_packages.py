"""The packages: what coremltools reads of them, bytes, lengths, images, classifiers, half precision."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import kexport
from kexport.cli.options import dimensions_of
from kexport.errors import UnsupportedOpError, UsageError
from kexport.ir import Builder, TensorType, Value, dims
from kexport.reference import Golden
from kexport.verification import verify
from kexport_runtimes.coreml import INTERPRETER
from kexport_runtimes.coreml.package import open_package
from kexport_targets.coreml import TARGET
from support import tiny
from support.graphs import Body, graph_of
from targets.coreml.running import emitted, options, run

BATCH, TIME = dims.symbol("batch"), dims.symbol("time")
KERNEL = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
IMAGE = {"x": TensorType("float32", (1, 6, 5, 3))}


def dense(b: Builder, x: Value) -> dict[str, Value]:
    return {"y": b.op("relu", b.op("dense", x, b.constant(KERNEL), None))}


def classes(b: Builder, x: Value) -> dict[str, Value]:
    return {"y": b.op("softmax", b.op("dense", x, b.constant(KERNEL), None), axis=1)}


def colours(b: Builder, x: Value) -> dict[str, Value]:
    return {"y": b.op("reduce_mean", b.op("mul", x, b.constant([1.0, 2.0, 4.0], "float32")), axes=(1, 2))}


def package(
    folder: Path, inputs: dict[str, TensorType], body: Body, *, lengths: Any = None, **chosen: Any
) -> Any:
    graph = graph_of(inputs, body)
    graph.lengths = lengths or {}
    return emitted(graph, folder, **chosen)


def interface(artifact: Any, folder: Path) -> Any:
    (found,) = open_package(folder / artifact.main).description.interfaces.values()
    return found


def test_the_same_bytes(tmp_path: Path) -> None:
    found = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        artifact = package(
            tmp_path / name, {"x": TensorType("float32", (BATCH, 4))}, dense, author="A", float16=True
        )
        found.append(
            [hashlib.sha256((tmp_path / name / file).read_bytes()).hexdigest() for file in artifact.files]
        )
    assert found[0] == found[1]


def test_what_the_model_says_about_itself(tmp_path: Path) -> None:
    said = {"author": "Ann", "license": "MIT", "model_version": "3", "summary": "Sums"}
    artifact = package(tmp_path, {"x": TensorType("float32", (1, 4))}, dense, **said)
    text = (tmp_path / artifact.main / "Data/com.apple.CoreML/model.mlmodel").read_bytes()
    assert all(value.encode() in text for value in said.values())
    manifest = json.loads((tmp_path / artifact.main / "Manifest.json").read_text())
    assert manifest["rootModelIdentifier"] in manifest["itemInfoEntries"]


@pytest.mark.parametrize(
    ("lengths", "ranges", "shapes"),
    [
        ({}, [(1, 4096), (1, 4096), (4, 4)], ()),
        ({"time": range(3, 9), "batch": range(1, 3)}, [(1, 2), (3, 8), (4, 4)], ()),
        ({"time": (8, 16), "batch": (1,)}, [], ((1, 8, 4), (1, 16, 4))),
    ],
)
def test_lengths(lengths: Any, ranges: Any, shapes: Any, tmp_path: Path) -> None:
    artifact = package(tmp_path, {"x": TensorType("float32", (BATCH, TIME, 4))}, dense, lengths=lengths)
    feature = interface(artifact, tmp_path).inputs["x"]
    assert [(span.lower, span.upper) for span in feature.ranges] == ranges
    assert feature.enumerated == shapes
    x = np.ones((1, 8, 4), np.float32)
    np.testing.assert_allclose(run(artifact, tmp_path, {"x": x})["y"], np.maximum(x @ KERNEL, 0), rtol=1e-5)


def test_the_least_length_leaves_something_of_every_value(tmp_path: Path) -> None:
    def body(b: Builder, x: Value) -> dict[str, Value]:
        return {"y": b.op("slice", x, begin=(0, 40, 0), end=(None, -10, None), strides=(1, 1, 1))}

    artifact = package(tmp_path, {"x": TensorType("float32", (1, TIME, 4))}, body)
    feature = interface(artifact, tmp_path).inputs["x"]
    assert (feature.ranges[1].lower, feature.shape) == (51, (1, 51, 4))


@pytest.mark.parametrize("color", ["RGB", "BGR"])
def test_an_image(color: str, tmp_path: Path) -> None:
    chosen = {"image_input": "x", "image_scale": 0.5, "image_bias": "-1,0,1", "image_color": color}
    artifact = package(tmp_path, IMAGE, colours, **chosen)
    feature = interface(artifact, tmp_path).inputs["x"]
    assert (feature.color, feature.height, feature.width) == (color, 6, 5)
    (port,) = artifact.signature.inputs
    image = np.random.default_rng(0).integers(0, 256, (1, 6, 5, 3)).astype(np.uint8)
    numbers = port.pixels.numbers(image)
    np.testing.assert_array_equal(port.to_artifact(numbers), image)
    ordered = image[..., ::-1] if color == "BGR" else image
    np.testing.assert_allclose(numbers, ordered * 0.5 + np.array([-1, 0, 1]), rtol=1e-6)
    wanted = (numbers * [1, 2, 4]).mean(axis=(1, 2))
    np.testing.assert_allclose(run(artifact, tmp_path, {"x": image})["y"], wanted, rtol=1e-5)


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"image_input": "z"}, r"no input 'z'"),
        ({"image_input": "x", "image_color": "HSV"}, r"color of GRAYSCALE, RGB, BGR"),
        ({"image_input": "x", "image_bias": "1,2"}, r"a bias, or one a channel"),
        ({"image_input": "x", "image_color": "GRAYSCALE"}, r"no GRAYSCALE image"),
        ({"deployment_target": "iOS12"}, r"one of iOS15.*Received: 'iOS12'"),
        ({"float32_layers": "a"}, r"with --float16"),
        ({"float16": True, "float32_layers": "a, b"}, r"(?s)names layers.*'a', 'b'.*inspect"),
        ({"labels": "/nowhere/labels.txt"}, r"can't be read"),
    ],
)
def test_options_that_can_not_be(chosen: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises((UsageError, UnsupportedOpError), match=message):
        package(tmp_path, IMAGE, colours, **chosen)


def test_a_classifier(tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("cat\ndog\nbird\n")
    folder = tmp_path / "out"
    folder.mkdir()
    artifact = package(folder, {"x": TensorType("float32", (1, 4))}, classes, labels=str(labels))
    outputs = run(artifact, folder, {"x": np.array([[1, -1, 2, 0.5]], np.float32)})
    best = int(outputs["y"].argmax())
    assert outputs["classLabel"] == ["cat", "dog", "bird"][best]
    assert list(outputs["classLabel_probs"]) == ["cat", "dog", "bird"]
    np.testing.assert_allclose(list(outputs["classLabel_probs"].values()), outputs["y"][0], rtol=1e-6)
    labels.write_text("cat\ndog\n")
    with pytest.raises(UsageError, match=r"(?s)a label for each class.*2 different labels"):
        package(folder, {"x": TensorType("float32", (1, 4))}, classes, labels=str(labels))


def test_half_precision(tmp_path: Path) -> None:
    kernel = np.random.default_rng(0).normal(size=(64, 8)).astype(np.float32)

    def body(b: Builder, x: Value) -> dict[str, Value]:
        b.origin = "first"
        y = b.op("dense", x, b.constant(kernel), None)
        b.origin = "second"
        return {"y": b.op("dense", y, b.constant(kernel.T.copy()), None)}

    x = np.random.default_rng(1).normal(size=(2, 64)).astype(np.float32)
    sizes = {}
    for name, chosen in {
        "half": {"float16": True},
        "mixed": {"float16": True, "float32_layers": "first"},
        "full": {},
    }.items():
        folder = tmp_path / name
        folder.mkdir()
        artifact = package(folder, {"x": TensorType("float32", (2, 64))}, body, **chosen)
        assert artifact.details.get("float32_layers", []) == (["first"] if name == "mixed" else [])
        y = run(artifact, folder, {"x": x})["y"]
        assert y.dtype == np.float32
        wanted = x @ kernel @ kernel.T
        np.testing.assert_allclose(
            y, wanted, rtol=0, atol=(1e-5 if name == "full" else 3e-3) * np.abs(wanted).max()
        )
        sizes[name] = sum((folder / file).stat().st_size for file in artifact.files)
    assert sizes["half"] < sizes["mixed"] < sizes["full"]


def test_what_overflows_in_half_precision_is_proposed_to_stay_in_float32() -> None:
    def body(b: Builder, x: Value) -> dict[str, Value]:
        b.origin = "large"
        y = b.op("mul", x, b.constant(np.full(4, 3e4), "float32"))
        b.origin = "small"
        return {"y": b.op("mul", b.op("tanh", y), b.constant(np.full(4, 0.5), "float32"))}

    graph = graph_of({"x": TensorType("float32", (2, 4))}, body)
    x = np.random.default_rng(0).uniform(5, 9, (2, 4)).astype(np.float32)
    proposed = [found["float32_layers"] for found in TARGET.proposals(graph, {"x": x}, options(float16=True))]
    assert proposed == ["large", "large,small"]


def test_numbers_that_half_precision_is_too_short_for(tmp_path: Path) -> None:
    def body(b: Builder, x: Value) -> dict[str, Value]:
        return {"y": b.op("div", x, b.op("add", b.op("mul", x, b.scalar(0.0, x)), b.scalar(1e-8, x)))}

    artifact = package(tmp_path, {"x": TensorType("float32", (1, 2))}, body, float16=True)
    assert artifact.details["ops"].get("cast", 0) > 0
    assert np.isfinite(run(artifact, tmp_path, {"x": np.array([[1e-6, 2e-6]], np.float32)})["y"]).all()


def test_text_and_scalars_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedOpError, match=r"is text"):
        package(tmp_path, {"x": TensorType("string", (1, 2))}, lambda b, x: {"y": b.op("identity", x)})
    with pytest.raises(UnsupportedOpError, match=r"1 to 5 dimensions.*the output 'y'"):
        package(
            tmp_path, {"x": TensorType("float32", (2,))}, lambda b, x: {"y": b.op("reduce_sum", x, axes=(0,))}
        )


def test_too_many_dimensions_at_the_border(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedOpError, match=r"1 to 5 dimensions.*the input 'x'"):
        package(tmp_path, {"x": TensorType("float32", (1,) * 6)}, lambda b, x: {"y": b.op("exp", x)})


def test_an_export_is_verified_in_both_precisions(tmp_path: Path) -> None:
    model, golden = tiny.write_model(tmp_path / "tiny.h5"), tiny.write_golden(tmp_path / "tiny.npz")
    labels = tmp_path / "labels.txt"
    labels.write_text("a\nb\nc\n")
    for half in (False, True):
        output = tmp_path / f"out{half}"
        result = kexport.export(
            model, "coreml", golden=golden, output=output, float16=half, labels=str(labels)
        )
        assert result.verified
        assert kexport.verify(output).passed


def test_golden_inputs_that_are_no_images(tmp_path: Path) -> None:
    chosen = {"image_input": "x", "image_scale": 0.5, "image_bias": "-1"}
    artifact = package(tmp_path, IMAGE, colours, **chosen)
    artifact = replace(artifact, main=tmp_path / artifact.main)
    (port,) = artifact.signature.inputs
    image = np.random.default_rng(0).integers(0, 256, (2, 6, 5, 3)).astype(np.uint8)
    numbers = port.pixels.numbers(image)
    outputs = {"y": (numbers * np.float32([1, 2, 4])).mean(axis=(1, 2))}
    meta = {"keras": "3", "backend": "numpy", "library": "keras"}
    assert verify(artifact, INTERPRETER, Golden({"x": numbers}, outputs, {}, meta), tolerance=1e-5).passed
    with pytest.raises(UsageError, match=r"(?s)is an image, and the golden inputs are none.*--samples"):
        verify(artifact, INTERPRETER, Golden({"x": numbers + 0.1}, outputs, {}, meta), tolerance=1e-5)


def test_what_drifts_in_half_precision_is_in_float32_and_reported(tmp_path: Path) -> None:
    """A layer whose results float16 can't hold, before one that brings them back."""
    layers = [
        tiny.dense_config("hidden", 5, "relu", batch_input_shape=[None, 4]),
        tiny.dense_config("scores", 3, "linear"),
    ]
    model = tiny.write_model(tmp_path / "tiny.h5", layers=layers)
    with h5py.File(model, "r+") as file:
        for name, factor in (("hidden", 1e5), ("scores", 1e-5)):
            for kind in ("kernel", "bias"):
                if (name, kind) != ("scores", "bias"):
                    file[f"model_weights/{name}/{name}/{kind}:0"][...] *= factor
    given = tiny.weights()
    x = np.random.RandomState(7).randn(6, 4).astype("f4")
    hidden = np.maximum(x @ given["hidden"][0] + given["hidden"][1], 0)
    y = hidden @ given["scores"][0] + given["scores"][1]
    golden = Golden(
        {"hidden_input": x}, {"scores": y}, {}, {"keras": "2", "backend": "numpy", "library": "keras"}
    )
    result = kexport.export(model, "coreml", golden=golden, output=tmp_path / "out", float16=True)
    assert result.verified
    kept = result.targets[0].details["float32_layers"]
    assert "hidden" in kept
    assert result.targets[0].options["float32_layers"] == ",".join(kept)


@pytest.mark.parametrize(
    ("text", "lengths"), [("t=5", 5), ("t=2..4", range(2, 5)), ("t=3,9", (3, 9)), ("t=4..4", range(4, 5))]
)
def test_lengths_on_the_command_line(text: str, lengths: Any) -> None:
    assert dimensions_of((text,)) == {"t": lengths}


@pytest.mark.parametrize("text", ["t", "t=", "=3", "t=0", "t=4..2", "t=1..", "t=1,,2", "t=-1", "t=²"])
def test_lengths_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match=r"--dim takes"):
        dimensions_of((text,))


def test_masks_in_half_precision(tmp_path: Path) -> None:
    """-1e9 is no number of float16; a row that is masked as a whole is no row of NaN."""

    def body(b: Builder, x: Value) -> dict[str, Value]:
        mask = b.constant(np.array([[0, 1, 0], [1, 1, 1]]), "float32")
        large = b.op("mul", mask, b.scalar(-1e9, x))
        return {"y": b.op("softmax", b.op("add", x, large), axis=1)}

    artifact = package(tmp_path, {"x": TensorType("float32", (2, 3))}, body, float16=True)
    x = np.array([[1, 2, 3], [4, 4, 4]], np.float32)
    y = run(artifact, tmp_path, {"x": x})["y"]
    np.testing.assert_allclose(y, [[0.119203, 0, 0.880797], [1 / 3, 1 / 3, 1 / 3]], atol=1e-3)
