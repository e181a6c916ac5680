"""The Core ML runtime on programs written field by field: inputs, shapes, precision, blocks, lists, states, classifiers."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from kexport_runtimes.coreml import INTERPRETER, RUNTIME
from kexport_runtimes.coreml.session import Session
from support import mil_program as mil

F32 = mil.tensor_type("float32", (1, 2))
X = np.array([[1.5, -2.5]], np.float32)


def relu_of(folder: Path, flexibility: bytes = b"", *, optional: bool = False) -> Path:
    declared = mil.tensor_type("float32", (None, 2))
    body = mil.block([mil.operation("relu", {"x": "x"}, {"y": declared})], ["y"])
    inputs = [mil.array_feature("x", "float32", (1, 2), flexibility, optional=optional)]
    outputs = [mil.array_feature("y", "float32", ())]
    return mil.package(
        folder, mil.model(inputs, outputs, mil.entry(2, "main", mil.function({"x": declared}, body)))
    )


def sizes(*bounds: tuple[int, int]) -> bytes:
    spans = [mil.field(1, mil.field(1, low) + mil.field(2, high)) for low, high in bounds]
    return mil.field(31, b"".join(spans))


def shapes(*allowed: tuple[int, ...]) -> bytes:
    listed = [mil.field(1, b"".join(mil.field(1, size) for size in shape)) for shape in allowed]
    return mil.field(21, b"".join(listed))


def test_it_runs_here_and_says_what_it_is(tmp_path: Path) -> None:
    assert RUNTIME.available() is None
    assert RUNTIME.name == "coreml"
    assert INTERPRETER.name == "coreml-interpreter"
    assert INTERPRETER.version() == "kexport's Core ML interpreter 1"
    assert RUNTIME.is_native == (sys.platform == "darwin")
    assert not INTERPRETER.is_native
    np.testing.assert_array_equal(RUNTIME.run(relu_of(tmp_path), {"x": X})["y"], np.maximum(X, 0))


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({}, r"takes inputs 'x'; 'x' is missing. Received: none"),
        ({"x": X, "z": X}, r"has no input 'z'. It takes: 'x'"),
        ({"x": X.astype(np.float64)}, r"'x' of model.mlpackage is float32. Received: float64"),
        ({"x": X[0]}, r"has shape \(1, 2\). Received: \(2,\)"),
        ({"x": np.zeros((2, 2), np.float32)}, r"has shape \(1, 2\). Received: \(2, 2\)"),
    ],
)
def test_wrong_inputs_are_named(tmp_path: Path, inputs: dict[str, np.ndarray], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        RUNTIME.run(relu_of(tmp_path), inputs)


@pytest.mark.parametrize(
    ("flexibility", "allowed", "refused", "words"),
    [
        (sizes((1, 3), (2, 2)), [1, 3], 4, r"\(1\.\.3, 2\). Received: \(4, 2\)"),
        (sizes((2, -1), (2, 2)), [2, 50], 1, r"\(2\.\., 2\). Received: \(1, 2\)"),
        (shapes((1, 2), (5, 2)), [1, 5], 3, r"\(1, 2\) or \(5, 2\). Received: \(3, 2\)"),
    ],
)
def test_flexible_shapes_are_held(
    tmp_path: Path, flexibility: bytes, allowed: list[int], refused: int, words: str
) -> None:
    path = relu_of(tmp_path, flexibility)
    for batch in allowed:
        assert RUNTIME.run(path, {"x": np.ones((batch, 2), np.float32)})["y"].shape == (batch, 2)
    with pytest.raises(ValueError, match=words):
        RUNTIME.run(path, {"x": np.ones((refused, 2), np.float32)})


def test_an_optional_input_has_its_default(tmp_path: Path) -> None:
    default = mil.varint(51 << 3 | 5) + np.float32(2.5).tobytes()
    path = relu_of(tmp_path, default, optional=True)
    np.testing.assert_array_equal(RUNTIME.run(path, {})["y"], np.full((1, 2), 2.5, np.float32))


def half_program(folder: Path) -> Path:
    """x in fp16, plus a constant, times another."""
    half = mil.tensor_type("float16", (1, 2))
    text = mil.immediate(np.array("fp16"))
    back = mil.immediate(np.array("fp32"))
    body = mil.block(
        [
            mil.operation("cast", {"x": "x", "dtype": text}, {"h": half}),
            mil.operation(
                "add", {"x": "h", "y": mil.immediate(np.full((1, 2), 0.1, np.float16))}, {"s": half}
            ),
            mil.operation(
                "mul", {"x": "s", "y": mil.immediate(np.full((1, 2), 60000, np.float16))}, {"m": half}
            ),
            mil.operation("cast", {"x": "m", "dtype": back}, {"y": F32}),
        ],
        ["y"],
    )
    inputs, outputs = [mil.array_feature("x", "float32", (1, 2))], [mil.array_feature("y", "float32", (1, 2))]
    return mil.package(
        folder, mil.model(inputs, outputs, mil.entry(2, "main", mil.function({"x": F32}, body)))
    )


def test_half_precision_of_weights_alone_and_of_activations(tmp_path: Path) -> None:
    x = np.array([[0.123456, 2.0]], np.float32)
    path = half_program(tmp_path)
    weight = np.float32(np.float16(0.1))
    np.testing.assert_array_equal(
        RUNTIME.run(path, {"x": x}, rounds=False)["y"], (x + weight) * np.float32(60000)
    )
    with np.errstate(over="ignore"):
        expected = ((x.astype(np.float16) + np.float16(0.1)) * np.float16(60000)).astype(np.float32)
    rounded = RUNTIME.run(path, {"x": x})["y"]
    np.testing.assert_array_equal(rounded, expected)
    assert np.isinf(rounded[0, 1])


def test_branches_and_loops(tmp_path: Path) -> None:
    scalar, number = mil.tensor_type("float32", ()), mil.tensor_type("int32", ())
    true_block = mil.block([mil.operation("exp", {"x": "x"}, {"t": F32})], ["t"])
    false_block = mil.block([mil.operation("relu", {"x": "x"}, {"f": F32})], ["f"])
    condition = mil.block(
        [
            mil.operation(
                "less", {"x": "i", "y": mil.immediate(np.int32(3))}, {"go": mil.tensor_type("bool", ())}
            )
        ],
        ["go"],
        {"i": number, "a": F32},
    )
    turn = mil.block(
        [
            mil.operation("add", {"x": "j", "y": mil.immediate(np.int32(1))}, {"next": number}),
            mil.operation("add", {"x": "b", "y": "x"}, {"sum": F32}),
        ],
        ["next", "sum"],
        {"j": number, "b": F32},
    )
    body = mil.block(
        [
            mil.operation(
                "reduce_sum",
                {
                    "x": "x",
                    "axes": mil.immediate(np.array([0, 1], np.int32)),
                    "keep_dims": mil.immediate(np.bool_(False)),
                },
                {"total": scalar},
            ),
            mil.operation(
                "greater",
                {"x": "total", "y": mil.immediate(np.float32(0))},
                {"p": mil.tensor_type("bool", ())},
            ),
            mil.operation("cond", {"pred": "p"}, {"c": F32}, blocks=[true_block, false_block]),
            mil.constant("zero", np.int32(0)),
            mil.operation(
                "while_loop",
                {"loop_vars": ["zero", "c"]},
                {"count": number, "y": F32},
                blocks=[condition, turn],
            ),
        ],
        ["y"],
    )
    inputs, outputs = [mil.array_feature("x", "float32", (1, 2))], [mil.array_feature("y", "float32", (1, 2))]
    path = mil.package(
        tmp_path, mil.model(inputs, outputs, mil.entry(2, "main", mil.function({"x": F32}, body)))
    )
    for x in (X, -X):
        start = np.exp(x) if x.sum() > 0 else np.maximum(x, 0)
        np.testing.assert_allclose(RUNTIME.run(path, {"x": x})["y"], start + 3 * x, rtol=1e-6)


def test_a_constant_belongs_to_its_function(tmp_path: Path) -> None:
    """Two functions with constants of the same name."""

    def of(value: float) -> bytes:
        w = np.full((1, 2), value, np.float32)
        add = mil.operation("add", {"x": "x", "y": "w"}, {"y": F32})
        return mil.function({"x": F32}, mil.block([mil.constant("w", w), add], ["y"]), "CoreML8")

    x, y = mil.array_feature("x", "float32", (1, 2)), mil.array_feature("y", "float32", (1, 2))
    described = [
        mil.field(20, mil.field(1, name) + mil.field(2, x) + mil.field(3, y)) for name in ("one", "two")
    ]
    description = mil.field(2, b"".join(described) + mil.field(21, "two"))
    program = mil.field(502, mil.entry(2, "one", of(1)) + mil.entry(2, "two", of(2)))
    path = mil.package(tmp_path, mil.field(1, 9) + description + program)
    for function, added in (("one", 1), ("two", 2), (None, 2)):
        np.testing.assert_array_equal(RUNTIME.run(path, {"x": X}, function=function)["y"], X + added)
    with pytest.raises(RuntimeError, match=r"has the functions one, two. Received: 'three'"):
        RUNTIME.run(path, {"x": X}, function="three")


def stateful(folder: Path) -> Path:
    state = mil.field(5, mil.field(1, F32))
    body = mil.block(
        [
            mil.operation("read_state", {"input": "s"}, {"old": F32}),
            mil.operation("add", {"x": "old", "y": "x"}, {"new": F32}),
            mil.operation("write_state", {"input": "s", "data": "new"}, {}),
            mil.operation("read_state", {"input": "s"}, {"y": F32}),
        ],
        ["y"],
    )
    inputs, outputs = [mil.array_feature("x", "float32", (1, 2))], [mil.array_feature("y", "float32", (1, 2))]
    function = mil.function({"x": F32, "s": state}, body, "CoreML8")
    return mil.package(folder, mil.model(inputs, outputs, mil.entry(2, "main", function)))


def test_states_last_as_long_as_a_caller_keeps_them(tmp_path: Path) -> None:
    path = stateful(tmp_path)
    session = Session(path)
    state = session.make_state()
    for turn in (1, 2, 3):
        np.testing.assert_array_equal(session.run({"x": X}, state)["y"], turn * X)
    np.testing.assert_array_equal(session.run({"x": X})["y"], X)
    np.testing.assert_array_equal(RUNTIME.run(path, {"x": X})["y"], X)


def classifier(folder: Path, classes: np.ndarray) -> Path:
    label = mil.tensor_type("str" if classes.dtype.kind == "U" else "int64", ())
    dictionary = mil.field(4, mil.field(1, label) + mil.field(2, mil.tensor_type("float32", ())))
    operation = mil.operation(
        "classify",
        {"probabilities": "x", "classes": mil.immediate(classes)},
        {"label": label, "probabilities": dictionary},
    )
    body = mil.block([operation], ["label", "probabilities"])
    described = [
        mil.field(1, name) + mil.field(3, mil.field(kind, b""))
        for name, kind in (("label", 3 if classes.dtype.kind == "U" else 1), ("probabilities", 6))
    ]
    inputs = [mil.array_feature("x", "float32", (1, 2))]
    return mil.package(
        folder, mil.model(inputs, described, mil.entry(2, "main", mil.function({"x": F32}, body)))
    )


def test_classifiers_give_labels_and_probabilities(tmp_path: Path) -> None:
    x = np.array([[0.25, 0.75]], np.float32)
    text = RUNTIME.run(classifier(tmp_path / "a", np.array(["cat", "dog"])), {"x": x})
    assert text == {"label": "dog", "probabilities": {"cat": 0.25, "dog": 0.75}}
    numbers = RUNTIME.run(classifier(tmp_path / "n", np.array([7, 9])), {"x": x})
    assert numbers == {"label": 9, "probabilities": {7: 0.25, 9: 0.75}}
    with pytest.raises(
        RuntimeError, match=r"classify 'label' takes a probability a class. Received: 3 classes, 2"
    ):
        RUNTIME.run(classifier(tmp_path / "b", np.array(["a", "b", "c"])), {"x": x})
    with pytest.raises(RuntimeError, match="classes that differ"):
        RUNTIME.run(classifier(tmp_path / "c", np.array(["a", "a"])), {"x": x})


def image_model(folder: Path, color: int, flexibility: bytes = b"") -> Path:
    channels = 1 if color in (10, 40) else 3
    of = mil.tensor_type("float32", (1, channels, None, None))
    feature = mil.field(1, 3) + mil.field(2, 2) + mil.field(3, color) + flexibility
    described = mil.field(1, "image") + mil.field(3, mil.field(4, feature))
    body = mil.block([mil.operation("identity", {"x": "image"}, {"y": of})], ["y"])
    outputs = [mil.array_feature("y", "float32", ())]
    return mil.package(
        folder, mil.model([described], outputs, mil.entry(2, "main", mil.function({"image": of}, body)))
    )


def test_images_come_as_channels_first_in_their_order(tmp_path: Path) -> None:
    pixels = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    rgb, bgr, gray = (image_model(tmp_path / str(color), color) for color in (20, 30, 10))
    for given in (pixels, pixels[None], pixels.astype(np.float32)):
        np.testing.assert_array_equal(
            RUNTIME.run(rgb, {"image": given})["y"], pixels.transpose(2, 0, 1)[None]
        )
    reversed_channels = pixels[..., ::-1].transpose(2, 0, 1)[None]
    np.testing.assert_array_equal(RUNTIME.run(bgr, {"image": pixels})["y"], reversed_channels)
    for one in (pixels[..., 0], pixels[None, ..., 0], pixels[..., :1], pixels[None, ..., :1]):
        np.testing.assert_array_equal(RUNTIME.run(gray, {"image": one})["y"], pixels[None, None, ..., 0])
    for wrong, words in [
        (pixels[..., :2], "Received: shape"),
        (pixels[:1], r"height and width 2 × 3, .* Received: shape \(1, 3, 3\)"),
        (pixels + np.float32(0.5), "whole numbers from 0 to 255. Received: numbers of 0.5 to 17.5"),
        (pixels.astype(np.int32) - 1, "Received: numbers of -1 to 16"),
    ]:
        with pytest.raises(ValueError, match=words):
            RUNTIME.run(rgb, {"image": wrong})


def test_images_of_several_sizes(tmp_path: Path) -> None:
    listed = mil.field(
        21, b"".join(mil.field(1, mil.field(1, w) + mil.field(2, h)) for w, h in ((3, 2), (5, 4)))
    )
    spans = mil.field(
        31, mil.field(1, mil.field(1, 3) + mil.field(2, 5)) + mil.field(2, mil.field(1, 2) + mil.field(2, -1))
    )
    for path, words in (
        (image_model(tmp_path / "a", 20, listed), "2 × 3 or 4 × 5"),
        (image_model(tmp_path / "b", 20, spans), r"2\.\. × 3\.\.5"),
    ):
        assert RUNTIME.run(path, {"image": np.zeros((4, 5, 3), np.uint8)})["y"].shape == (1, 3, 4, 5)
        with pytest.raises(ValueError, match=words):
            RUNTIME.run(path, {"image": np.zeros((4, 6, 3), np.uint8)})


def test_benchmark(tmp_path: Path) -> None:
    path = relu_of(tmp_path)
    timed = RUNTIME.benchmark(path, {"x": X}, runs=3, threads=1)
    assert 0 < timed["fastest"] <= timed["median"]
    assert (timed["runs"], timed["threads"]) == (3, 1)
    with pytest.raises(ValueError, match="at least 1 run"):
        RUNTIME.benchmark(path, {"x": X}, runs=0, threads=1)
