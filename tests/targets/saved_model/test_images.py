"""The signature that takes encoded images."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kexport.errors import UsageError
from kexport.ir import Builder, Dim, TensorType, Value, dims
from kexport_targets.saved_model import TARGET
from kexport_targets.saved_model.images import METHODS, OPTIONS, SMOOTHED, image_signature
from support.graphs import graph_of

BATCH = dims.symbol("batch")
SIDE = Path(__file__).with_name("images_side.py")
KERNEL = np.random.default_rng(0).normal(size=(3, 3, 3, 5)).astype("f4")

#: Shape without the batch, dtype, options.
CASES: list[tuple[tuple[int, ...], str, dict[str, Any]]] = [
    *(((9, 13, 3), "float32", {"image_resize": method}) for method in METHODS),
    *(((9, 13, 3), "float32", {"image_resize": method, "image_antialias": True}) for method in SMOOTHED),
    ((9, 13, 3), "float32", {"image_scale": 1 / 127.5, "image_bias": "-1"}),
    ((9, 13, 3), "float32", {"image_color": "BGR", "image_mean": "103.939,116.779,123.68"}),
    (
        (9, 13, 3),
        "float32",
        {"image_scale": 1 / 255, "image_mean": "0.485,0.456,0.406", "image_std": "0.229,0.224,0.225"},
    ),
    ((9, 13, 3), "float32", {"image_mean": "127.5", "image_std": "127.5"}),
    ((3, 9, 13), "float32", {"image_scale": 1 / 255}),
    ((9, 13, 1), "float32", {"image_scale": 1 / 255}),
    ((28, 28), "float32", {"image_scale": 1 / 255}),
    ((9, 13, 4), "float32", {}),
    ((9, 13, 3), "uint8", {"image_resize": "bicubic"}),
    ((9, 13, 3), "float64", {"image_bias": "0.5,-2,1e-3"}),
    ((40, 50, 3), "float32", {}),
]


def convolved(b: Builder, x: Value) -> dict[str, Value]:
    """With weights, where the image has three channels at the end."""
    if x.dtype == "float32" and x.shape[-1] == 3:
        x = b.op(
            "conv",
            x,
            b.constant(KERNEL),
            None,
            strides=(1, 1),
            dilations=(1, 1),
            padding=((1, 1), (1, 1)),
            data_format="channels_last",
        )
    return {"y": b.op("add", x, x)}


def pictures(folder: Path) -> list[str]:
    """Of several sizes and kinds."""
    rng = np.random.default_rng(1)
    noise = rng.integers(0, 256, (31, 17, 4), np.uint8)
    ramp = np.linspace(0, 255, 23 * 40 * 3).reshape(23, 40, 3).astype(np.uint8)
    kinds = (
        ("a.png", noise[..., :3]),
        ("b.jpg", ramp),
        ("c.png", ramp[..., 0]),
        ("d.png", noise),
        ("e.jpg", ramp[..., 1]),
    )
    for name, pixels in kinds:
        Image.fromarray(pixels).save(folder / name)
    return [str(folder / name) for name, _ in kinds]


def test_an_encoded_image_is_the_model_of_what_is_in_it(tmp_path: Path) -> None:
    files, jobs = pictures(tmp_path), []
    for index, (shape, dtype, options) in enumerate(CASES):
        folder = tmp_path / str(index)
        folder.mkdir()
        graph = graph_of({"x": TensorType(dtype, (BATCH, *shape))}, convolved)
        artifact = TARGET.emit(TARGET.legalize(graph, {}), folder, {"signature": "images", **options})
        first = len(shape) == 3 and shape[0] == 3
        size = shape[1:] + shape[:1] if first else (*shape, 1)[:3]
        told = {**options, "size": size, "dtype": dtype, "rank": len(shape) + 1, "channels_first": first}
        # JPEGs have no fourth channel.
        own = files if size[2] != 4 else [name for name in files if name.endswith(".png")]
        jobs.append(
            {"folder": str(folder / artifact.main), "files": own, "options": told, "again": index % 8 == 0}
        )
    (tmp_path / "jobs.json").write_text(json.dumps(jobs))
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-W", "ignore", str(SIDE), str(tmp_path / "jobs.json")]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert not done.returncode, done.stderr[-3000:]
    for case, said in zip(CASES, json.loads(done.stdout), strict=True):
        assert said["largest"] > 0, case
        assert said["difference"] <= 2e-6 * said["largest"], (case, said)
        assert said.get("again", 0) <= 1e-6 * said["largest"], (case, said)


def types_of(**shapes: Any) -> dict[str, TensorType]:
    return {name: TensorType("float32", shape) for name, shape in shapes.items()}


DEFAULTS = {option.name: option.default for option in OPTIONS}
PHOTO = (BATCH, 9, 13, 3)


@pytest.mark.parametrize(
    ("types", "options", "words"),
    [
        (types_of(x=PHOTO), {"image_scale": 2.0}, "--image-scale is of a signature"),
        (types_of(x=PHOTO), {"signature": "serve"}, "Every SavedModel has a signature 'serve'"),
        (
            types_of(x=(BATCH, dims.symbol("height"), 13, 3)),
            {"signature": "i"},
            "height and width of input 'x' must be known",
        ),
        (types_of(x=(BATCH, 9, 13, 2)), {"signature": "i"}, "with 1, 3 or 4 channels"),
        (
            types_of(x=PHOTO, y=PHOTO),
            {"signature": "i"},
            r"Which of the model's inputs takes the images\? x, y",
        ),
        (types_of(x=PHOTO), {"signature": "i", "image_input": "z"}, "no input 'z'"),
        (types_of(x=PHOTO), {"signature": "i", "image_resize": "cubic"}, "--image-resize is one of bilinear"),
        (
            types_of(x=PHOTO),
            {"signature": "i", "image_resize": "area", "image_antialias": True},
            "goes with bilinear",
        ),
        (types_of(x=PHOTO), {"signature": "i", "image_color": "GBR"}, "--image-color is one of RGB, BGR"),
        (types_of(x=(BATCH, 9, 9, 1)), {"signature": "i", "image_color": "BGR"}, "goes with the channels"),
        (types_of(x=PHOTO), {"signature": "i", "image_mean": "1,2"}, "is a number, or 3 with commas"),
        (types_of(x=PHOTO), {"signature": "i", "image_std": "1,0,1"}, "can't be 0"),
        (types_of(x=PHOTO), {"signature": "i", "image_std": "nan"}, "is a number, or 3 with commas"),
        (types_of(x=PHOTO), {"signature": "i", "image_mean": "a"}, "is a number, or 3 with commas"),
    ],
)
def test_what_can_not_be_is_refused(types: Any, options: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        image_signature(types, DEFAULTS | options)


def test_the_only_image_is_found_among_inputs() -> None:
    found = image_signature(types_of(age=(BATCH, 1), photo=PHOTO), DEFAULTS | {"signature": "images"})
    assert found is not None
    assert (found.input_name, found.key, found.height, found.width) == ("photo", "photo_bytes", 9, 13)


def test_other_inputs_are_given_beside_the_image(tmp_path: Path) -> None:
    def body(b: Builder, photo: Value, age: Value) -> dict[str, Value]:
        return {"y": b.op("add", b.op("reduce_mean", photo, axes=(1, 2), keepdims=False), age)}

    graph = graph_of(types_of(photo=PHOTO, age=(BATCH, 1)), body)
    artifact = TARGET.emit(TARGET.legalize(graph, {}), tmp_path, {"signature": "images"})
    inputs = artifact.details["signatures"]["images"]["inputs"]
    assert [(port["name"], port["dtype"]) for port in inputs] == [
        ("photo_bytes", "string"),
        ("age", "float32"),
    ]


def test_weights_are_there_once(tmp_path: Path) -> None:
    kernel = np.random.default_rng(0).normal(size=(64, 64)).astype("f4")

    def body(b: Builder, x: Value) -> dict[str, Value]:
        return {"y": b.op("dense", x, b.constant(kernel), None)}

    shape: tuple[Dim, ...] = (BATCH, 64, 64)
    sizes = []
    for name in ("", "images"):
        folder = tmp_path / (name or "plain")
        folder.mkdir()
        graph = graph_of({"x": TensorType("float32", shape)}, body)
        TARGET.emit(TARGET.legalize(graph, {}), folder, {"signature": name})
        sizes.append((folder / "1" / "saved_model.pb").stat().st_size)
    assert sizes[1] - sizes[0] < kernel.nbytes / 2
