"""Convolutions and pools that TensorFlow's kernels for CPUs hold otherwise, lengths known and open, kernels constant and computed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kexport.ir import Builder, Value, dims
from kexport_runtimes.tensorflow import RUNTIME, process
from kexport_targets.saved_model import TARGET
from support.comparing import assert_close
from support.graphs import expected, graph_from

BATCH, HEIGHT, WIDTH = map(dims.symbol, ("batch", "height", "width"))
RNG = np.random.default_rng(0)


def check(folder: Path, types: dict[str, Any], body: Callable[..., Any], *arrays: Any) -> list[str]:
    """TensorFlow computes what the graph means; its operators."""
    graph = graph_from(types, body)
    bound = graph_from(
        {name: ("float32", array.shape) for name, array in zip(types, arrays, strict=True)}, body
    )
    truth = expected(bound, [*arrays])
    artifact = TARGET.emit(TARGET.legalize(graph, {}), folder, {})
    outputs = RUNTIME.run(folder / artifact.main, dict(zip(types, arrays, strict=True)))
    for index, array in enumerate(truth):
        assert_close(outputs[f"y{index}"], array)
    return [*artifact.details["ops"]]


def drawn(*shape: int) -> Any:
    return RNG.normal(size=shape).astype("f4")


def layer(op: str, kernel: Any, channels: int, **attrs: Any) -> Callable[..., Any]:
    """A window op with a bias and the activation that TensorFlow's optimizer fuses into it."""

    def body(b: Builder, x: Value) -> Value:
        bias = b.constant(np.linspace(-1, 1, channels, dtype=np.float32))
        return b.op("relu6", b.op(op, x, b.constant(kernel), bias, **attrs))

    return body


PLAIN = {"strides": (1, 1), "dilations": (1, 1)}
SHAPES = {"known": (2, 9, 8, 4), "open": (BATCH, HEIGHT, WIDTH, 4)}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize(
    ("attrs", "operator"),
    [
        ({**PLAIN, "padding": ((1, 1), (1, 0))}, "DepthwiseConv2dNative"),
        ({**PLAIN, "strides": (2, 2), "padding": "same"}, "DepthwiseConv2dNative"),
        ({**PLAIN, "strides": (2, 1), "padding": "same"}, "Conv2D"),
        ({**PLAIN, "dilations": (2, 3), "padding": "same"}, "Conv2D"),
        ({**PLAIN, "dilations": (1, 2), "padding": ((0, 2), (1, 0))}, "Conv2D"),
    ],
)
def test_depthwise(shape: Any, attrs: dict[str, Any], operator: str, tmp_path: Path) -> None:
    body = layer("depthwise_conv", drawn(3, 2, 4, 2), 8, **attrs)
    assert operator in check(tmp_path, {"x": ("float32", shape)}, body, drawn(2, 9, 8, 4))


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("padding", ["same", ((0, 0), (0, 0)), ((2, 1), (0, 3))], ids=["same", "none", "own"])
@pytest.mark.parametrize(("strides", "dilations"), [((2, 3), (1, 1)), ((1, 1), (2, 1))])
@pytest.mark.parametrize("groups", [1, 2])
def test_convolutions(
    shape: Any, padding: Any, strides: Any, dilations: Any, groups: int, tmp_path: Path
) -> None:
    kernel = drawn(3, 2, 4 // groups, 6)
    attrs = {"strides": strides, "dilations": dilations, "padding": padding, "groups": groups}
    operators = check(
        tmp_path, {"x": ("float32", shape)}, layer("conv", kernel, 6, **attrs), drawn(2, 9, 8, 4)
    )
    assert "Pad" not in operators
    assert "Split" not in operators


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("crops", [((0, 0), (0, 0)), ((1, 0), (0, 1)), ((0, -1), (1, -1)), ((-1, 2), (0, 0))])
@pytest.mark.parametrize(("strides", "dilations"), [((2, 3), (1, 1)), ((1, 1), (2, 3))])
def test_transposed_convolutions(
    shape: Any, crops: Any, strides: Any, dilations: Any, tmp_path: Path
) -> None:
    attrs = {"strides": strides, "dilations": dilations, "crops": crops}
    body = layer("conv_transpose", drawn(3, 2, 5, 4), 5, **attrs)
    check(tmp_path, {"x": ("float32", shape)}, body, drawn(2, 9, 8, 4))


@pytest.fixture(params=["0", "1"], ids=["Eigen", "oneDNN"])
def kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """TensorFlow in a process of its own that has these kernels."""
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", request.param)
    process.close()
    yield
    process.close()


@pytest.mark.usefixtures("kernels")
def test_the_bias_of_groups_is_not_fused(tmp_path: Path) -> None:
    groups = layer("conv", drawn(3, 2, 2, 6), 6, **PLAIN, padding="same", groups=2)
    channels = layer("depthwise_conv", drawn(1, 1, 6, 1), 6, **{**PLAIN, "strides": (4, 2)}, padding="same")

    def body(b: Builder, x: Value) -> Value:
        return b.op("tanh", channels(b, groups(b, x)))

    check(tmp_path, {"x": ("float32", SHAPES["open"])}, body, drawn(2, 9, 8, 4))


DEEP = {"known": (2, 6, 5, 7, 4), "open": (BATCH, 6, HEIGHT, WIDTH, 4)}


@pytest.mark.parametrize("shape", DEEP.values(), ids=DEEP)
@pytest.mark.parametrize("padding", ["same", ((2, 1), (0, 3), (1, 0))], ids=["same", "own"])
@pytest.mark.parametrize("dilations", [(1, 1, 1), (1, 2, 1)])
@pytest.mark.parametrize("groups", [1, 2])
def test_three_dimensions(shape: Any, padding: Any, dilations: Any, groups: int, tmp_path: Path) -> None:
    attrs = {"strides": (1, 1, 1), "dilations": dilations, "padding": padding, "groups": groups}
    body = layer("conv", drawn(3, 2, 2, 4 // groups, 6), 6, **attrs)
    check(tmp_path, {"x": ("float32", shape)}, body, drawn(2, 6, 5, 7, 4))


@pytest.mark.parametrize("crops", [((0, 0), (1, 0), (0, 1)), ((0, -1), (1, -1), (0, 0))])
def test_transposed_convolutions_of_three_dimensions(crops: Any, tmp_path: Path) -> None:
    attrs = {"strides": (1, 2, 3), "dilations": (2, 1, 1), "crops": crops}
    body = layer("conv_transpose", drawn(3, 2, 2, 5, 4), 5, **attrs)
    check(tmp_path, {"x": ("float32", DEEP["open"])}, body, drawn(2, 6, 5, 7, 4))


POOLS = {"4": (2, 9, 8, 4), "4 open": SHAPES["open"], "5": DEEP["known"], "5 open": DEEP["open"]}


@pytest.mark.parametrize("shape", POOLS.values(), ids=POOLS)
@pytest.mark.parametrize("padding", ["same", "none", "own"])
@pytest.mark.parametrize("op", ["max", "avg", "counted"])
def test_pools(shape: Any, padding: str, op: str, tmp_path: Path) -> None:
    spatial = len(shape) - 2
    attrs: dict[str, Any] = {"window": (3, 2, 2)[:spatial], "strides": (2, 1, 2)[:spatial]}
    pads = {"same": "same", "none": ((0, 0),) * spatial, "own": ((1, 0), (0, 1), (1, 1))[:spatial]}
    attrs["padding"] = pads[padding]
    name = "max_pool" if op == "max" else "avg_pool"
    more = {"count_include_pad": True} if op == "counted" else {}
    x = drawn(2, 9, 8, 4) if spatial == 2 else drawn(2, 6, 5, 7, 4)
    check(tmp_path, {"x": ("float32", shape)}, lambda b, x: b.op(name, x, **attrs, **more), x)


def test_computed_kernels(tmp_path: Path) -> None:
    def body(b: Builder, x: Value, deep: Value, k: Value, flat: Value) -> list[Value]:
        window = {"strides": (1, 1, 1), "padding": "same", "dilations": (1, 2, 3), "groups": 2}
        across = {"strides": (2, 1), "padding": "same", "dilations": (1, 1)}
        back = {"strides": (2, 2), "dilations": (2, 1), "crops": ((-3, 0), (0, 1))}
        return [
            b.op("conv", deep, b.op("tanh", k), **window),
            b.op("depthwise_conv", x, b.op("tanh", flat), **across),
            b.op("conv_transpose", x, b.op("tanh", flat), **back),
        ]

    types = {
        "x": ("float32", SHAPES["open"]),
        "deep": ("float32", DEEP["open"]),
        "k": ("float32", (2, 2, 2, 2, 6)),
        "flat": ("float32", (3, 2, 4, 4)),
    }
    arrays = [drawn(2, 9, 8, 4), drawn(2, 6, 9, 8, 4), drawn(2, 2, 2, 2, 6), drawn(3, 2, 4, 4)]
    check(tmp_path, types, body, *arrays)


@pytest.mark.parametrize("op", ["conv", "depthwise_conv", "max_pool", "avg_pool"])
def test_one_dimension(op: str, tmp_path: Path) -> None:
    kernels = {"conv": (3, 4, 6), "depthwise_conv": (3, 4, 1)}
    attrs: dict[str, Any] = {"strides": (2,), "padding": "same"}
    attrs |= {"dilations": (1,)} if op in kernels else {"window": (3,)}
    weights = [drawn(*kernels[op])] if op in kernels else []
    check(
        tmp_path,
        {"x": ("float32", (BATCH, HEIGHT, 4))},
        lambda b, x: b.op(op, x, *map(b.constant, weights), **attrs),
        drawn(2, 9, 4),
    )
