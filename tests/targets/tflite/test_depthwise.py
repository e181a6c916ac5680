"""Large depthwise windows in parts, and batch normalizations as one multiply-add."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kexport.ir import Builder, TensorType, Value, symbol
from kexport.ir.evaluate import evaluate
from kexport_runtimes.litert import RUNTIME
from kexport_targets.tflite.target import TARGET
from support.comparing import assert_close
from support.graphs import graph_of

OPTIONS = {"float16": False}


def check(body: Any, shape: tuple[Any, ...], given: tuple[int, ...], folder: Path) -> Counter[str]:
    """The builtins of the artifact, whose numbers are the graph's."""
    x = np.random.default_rng(5).normal(size=given).astype("f4")
    types = {"x": TensorType("float32", shape)}
    (wanted,) = evaluate(graph_of(types, body), [x])
    artifact = TARGET.emit(TARGET.legalize(graph_of(types, body), OPTIONS), folder, OPTIONS)
    assert_close(RUNTIME.run(folder / artifact.main, {"x": x})["y"], wanted.astype("f4"))
    return Counter(artifact.details["ops"])


@pytest.mark.parametrize(
    ("window", "strides", "dilations", "parts"),
    [
        ((7, 7), (1, 1), (1, 1), 3),
        ((7, 7), (2, 2), (1, 1), 3),
        ((7, 5), (1, 1), (2, 1), 2),
        ((5, 7), (1, 1), (1, 2), 2),
        ((3, 31), (1, 1), (1, 1), 6),
        ((1, 31), (1, 1), (1, 1), 2),
        ((31, 1), (1, 1), (1, 1), 2),
        ((5, 5), (1, 1), (1, 1), 1),
    ],
)
@pytest.mark.parametrize("padding", ["same", ((0, 0), (0, 0)), ((3, 1), (0, 2))])
def test_a_window_of_more_than_25_elements_is_a_sum(
    window: tuple[int, int],
    strides: tuple[int, int],
    dilations: tuple[int, int],
    parts: int,
    padding: Any,
    tmp_path: Path,
) -> None:
    random = np.random.default_rng(2)

    def body(b: Builder, x: Value) -> dict[str, Value]:
        kernel, bias = random.normal(size=(*window, 3, 2)), random.normal(size=6)
        random.bit_generator.state = np.random.default_rng(2).bit_generator.state
        attrs = {"strides": strides, "padding": padding, "dilations": dilations}
        y = b.op("depthwise_conv", x, b.constant(kernel, "float32"), b.constant(bias, "float32"), **attrs)
        return {"y": b.op("relu", y)}

    ops = check(body, (1, 33, 35, 3), (1, 33, 35, 3), tmp_path)
    assert ops["DEPTHWISE_CONV_2D"] == parts
    assert ops["ADD"] == parts - 1
    assert ops["RELU"] == 0


def test_lengths_that_are_not_known(tmp_path: Path) -> None:
    def body(b: Builder, x: Value) -> dict[str, Value]:
        kernel = b.constant(np.random.default_rng(2).normal(size=(7, 7, 3, 1)), "float32")
        return {"y": b.op("depthwise_conv", x, kernel, strides=(1, 1), padding="same", dilations=(1, 1))}

    shape = (symbol("batch"), symbol("height"), symbol("width"), 3)
    assert check(body, shape, (2, 9, 13, 3), tmp_path)["DEPTHWISE_CONV_2D"] == 3


@pytest.mark.parametrize("activation", ["none", "relu", "relu6"])
def test_a_batch_normalization_that_no_kernel_takes_up_is_one_op(activation: str, tmp_path: Path) -> None:
    def body(b: Builder, x: Value) -> dict[str, Value]:
        scale = b.constant(np.array([0.5, -2.0, 3.0]), "float32")
        shift = b.constant(np.array([1.0, 2.0, -3.0]), "float32")
        y = b.op("add", b.op("mul", b.op("abs", x), scale), shift)
        return {"y": y if activation == "none" else b.op(activation, y)}

    ops = check(body, (2, 5, 6, 3), (2, 5, 6, 3), tmp_path)
    assert ops == {"ABS": 1, "DEPTHWISE_CONV_2D": 1}


def test_a_scale_that_something_else_reads_stays(tmp_path: Path) -> None:
    def body(b: Builder, x: Value) -> dict[str, Value]:
        scaled = b.op("mul", b.op("abs", x), b.constant(np.array([0.5, -2.0, 3.0]), "float32"))
        shifted = b.op("add", scaled, b.constant(np.array([1.0, 2.0, -3.0]), "float32"))
        return {"y": b.op("mul", shifted, scaled)}

    assert check(body, (2, 5, 6, 3), (2, 5, 6, 3), tmp_path)["MUL"] == 2
