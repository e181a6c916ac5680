"""Where the windows of ``same`` lie on each backend.

The numbers were read off the backends: kernels of random weights on lengths like these, by the windows that explain what came out.
``tests/backends`` holds the same rules against the backends themselves.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kexport.errors import LoweringError
from kexport.ir import Array, TensorType, symbol
from kexport.ir.evaluate import evaluate
from kexport.loading.spec import Provenance
from lowering.one_layer import lower_alone, spec

CONV = {"use_bias": False, "activation": "linear", "data_format": "channels_last", "padding": "same"}
POOL = {"data_format": "channels_last", "padding": "same"}


def on(backend: str, version: str = "2.3.1") -> Provenance:
    return Provenance(version, backend, "h5")


def seen(window: int, stride: int, length: int, provenance: Provenance, dilation: int = 1) -> list[list[int]]:
    """The elements that each window of a Conv1D sees: the first element of the window, then the next, -1 for padding."""
    kernel = np.eye(window, dtype=np.float32)[:, None, :]
    sizes = {"filters": window, "kernel_size": [window], "strides": [stride], "dilation_rate": [dilation]}
    graph = lower_alone(
        spec("Conv1D", {"kernel": kernel}, **CONV, **sizes), TensorType("float32", (1, length, 1)), provenance
    )
    (read,) = evaluate(graph, [np.arange(1, length + 1, dtype=np.float32).reshape(1, length, 1)])
    return [[int(number) - 1 for number in row] for row in read[0]]


@pytest.mark.parametrize(
    ("backend", "window", "stride", "length", "first", "last"),
    [
        ("tensorflow", 3, 2, 8, [0, 1, 2], [6, 7, -1]),
        ("theano", 3, 2, 8, [-1, 0, 1], [5, 6, 7]),
        ("theano", 4, 1, 5, [-1, -1, 0, 1], [2, 3, 4, -1]),
        ("theano", 1, 3, 9, [0], [6]),
        ("cntk", 3, 2, 8, [-1, 0, 1], [5, 6, 7]),
        ("cntk", 4, 1, 5, [-1, 0, 1, 2], [3, 4, -1, -1]),
        ("cntk", 1, 4, 7, [1], [5]),
        ("cntk", 2, 4, 7, [1, 2], [5, 6]),
        ("mxnet", 3, 2, 8, [-1, 0, 1], [5, 6, 7]),
        ("mxnet", 4, 1, 5, [-1, -1, 0, 1], [2, 3, 4, -1]),
        ("mxnet", 1, 4, 8, [1], [5]),
    ],
)
def test_what_the_windows_of_a_convolution_see(
    backend: str, window: int, stride: int, length: int, first: list[int], last: list[int]
) -> None:
    windows = seen(window, stride, length, on(backend))
    assert len(windows) == -(-length // stride)
    assert (windows[0], windows[-1]) == (first, last)


def test_dilation_widens_the_window() -> None:
    assert seen(2, 1, 4, on("theano"), dilation=3)[0] == [-1, 1]
    assert seen(2, 1, 4, on("mxnet"), dilation=3)[0] == [-1, 1]
    with pytest.raises(LoweringError, match="CNTK has no dilated convolution on the CPU"):
        seen(2, 1, 4, on("cntk"), dilation=3)


def lengths(layer: Any, shape: tuple[int, ...], provenance: Provenance) -> tuple[Any, ...]:
    return lower_alone(layer, TensorType("float32", shape), provenance).outputs[0].shape[1:-1]


def test_what_makes_more_windows_than_it_says() -> None:
    separable = {"depthwise_kernel": np.ones((2, 2, 1, 1)), "pointwise_kernel": np.ones((1, 1, 1, 3))}
    sizes = {"filters": 3, "kernel_size": [2, 2], "strides": [1, 2], "dilation_rate": [1, 1]}
    layer = spec("SeparableConv2D", separable, **CONV, **sizes)
    assert lengths(layer, (1, 5, 6, 1), on("theano")) == (6, 4)
    assert lengths(layer, (1, 5, 6, 1), on("cntk")) == lengths(layer, (1, 5, 6, 1), on("mxnet")) == (5, 3)
    pool = spec("MaxPooling2D", **POOL, pool_size=[2, 2], strides=[1, 2])
    assert lengths(pool, (1, 5, 6, 1), on("mxnet")) == (6, 3)
    pool = spec("MaxPooling3D", **POOL, pool_size=[2, 2, 2], strides=[1, 1, 1])
    assert lengths(pool, (1, 5, 5, 5, 1), on("mxnet")) == (5, 6, 6)
    assert lengths(pool, (1, 5, 5, 5, 1), on("theano")) == (5, 5, 5)
    assert lengths(pool, (1, 5, 5, 5, 1), on("theano", "2.1.5")) == (6, 6, 6)
    assert lengths(pool, (1, 5, 5, 5, 1), on("theano", "1.2.2")) == (5, 5, 5)
    conv = {"filters": 1, "kernel_size": [2, 2, 2], "strides": [1, 1, 1], "dilation_rate": [1, 1, 1]}
    layer = spec("Conv3D", {"kernel": np.ones((2, 2, 2, 1, 1))}, **CONV, **conv)
    assert lengths(layer, (1, 5, 5, 5, 1), on("mxnet")) == (5, 5, 6)


@pytest.mark.parametrize(
    ("backend", "version", "means"),
    [
        ("tensorflow", "2.3.1", [2, 3.5]),
        ("theano", "2.3.1", [1.5, 3]),
        ("theano", "2.0.3", [1.5, 3]),
        ("theano", "2.0.4", [1, 3]),
        ("theano", "2.1.4", [1, 3]),
        ("theano", "1.2.2", [1.5, 3]),
        ("cntk", "2.3.1", [1.5, 3]),
        ("mxnet", "2.2.4.3", [1, 3]),
    ],
)
def test_what_an_average_divides_by(backend: str, version: str, means: list[float]) -> None:
    layer = spec("AveragePooling1D", **POOL, pool_size=[3], strides=[2])
    graph = lower_alone(layer, TensorType("float32", (1, 4, 1)), on(backend, version))
    (made,) = evaluate(graph, [np.array([1, 2, 3, 4], np.float32).reshape(1, 4, 1)])
    np.testing.assert_allclose(made.ravel(), means, rtol=1e-6)


def transposed(backend: str, window: int, stride: int, length: int, **more: Any) -> Array:
    """A Conv1DTranspose of zeros but for the first element."""
    kernel = np.arange(1, window + 1, dtype=np.float32).reshape(window, 1, 1, 1)
    sizes = {"filters": 1, "kernel_size": [window, 1], "strides": [stride, 1], "dilation_rate": [1, 1]}
    layer = spec("Conv2DTranspose", {"kernel": kernel}, **CONV, **sizes, **{"output_padding": None, **more})
    graph = lower_alone(layer, TensorType("float32", (1, length, 1, 1)), on(backend))
    (made,) = evaluate(graph, [np.eye(1, length, dtype=np.float32).reshape(1, length, 1, 1)])
    return made.ravel()


def test_what_is_cropped_of_a_transposed_convolution() -> None:
    np.testing.assert_array_equal(transposed("tensorflow", 3, 2, 2), [1, 2, 3, 0])
    for backend in ("theano", "cntk", "mxnet"):
        np.testing.assert_array_equal(transposed(backend, 3, 2, 2), [2, 3, 0, 0])
    np.testing.assert_array_equal(transposed("cntk", 4, 1, 3), [2, 3, 4])
    np.testing.assert_array_equal(transposed("mxnet", 4, 1, 3), [3, 4, 0])
    np.testing.assert_array_equal(transposed("theano", 2, 3, 3, output_padding=[1, 0]), [2])


def test_depthwise_kernels_without_groups() -> None:
    kernel = np.arange(1, 5, dtype=np.float32).reshape(2, 1, 2, 1)
    sizes = {"kernel_size": [2, 1], "strides": [1, 1], "dilation_rate": [1, 1], "depth_multiplier": 1}
    layer = spec("DepthwiseConv2D", {"depthwise_kernel": kernel}, **CONV, **sizes)
    x = np.array([[1, 10], [2, 20], [3, 30]], np.float32).reshape(1, 3, 1, 2)
    (made,) = evaluate(lower_alone(layer, TensorType("float32", x.shape), on("cntk")), [x])
    np.testing.assert_array_equal(made[0, :, 0], [[1 + 6, 2 + 8], [2 + 9, 4 + 12], [3, 6]])
    valid = spec("DepthwiseConv2D", {"depthwise_kernel": kernel}, **{**CONV, "padding": "valid"}, **sizes)
    (made,) = evaluate(lower_alone(valid, TensorType("float32", x.shape), on("cntk")), [x])
    np.testing.assert_array_equal(made[0, :, 0], [[1 + 6, 20 + 80], [2 + 9, 40 + 120]])


def test_a_rate_that_is_taken_for_strides() -> None:
    kernel = {"kernel": np.ones((2, 2, 1, 1), np.float32)}
    sizes = {"filters": 1, "kernel_size": [2, 2], "strides": [1, 1], "dilation_rate": [2, 2]}
    layer = spec("Conv2D", kernel, **{**CONV, "padding": "valid"}, **sizes)
    assert lengths(layer, (1, 6, 7, 1), on("cntk", "2.2.2")) == (3, 3)
    assert lengths(layer, (1, 6, 7, 1), on("cntk", "2.2.3")) == (4, 5)
    kernel = {"kernel": np.ones((1, 1, 1, 1, 1), np.float32)}
    sizes = {"filters": 1, "kernel_size": [1, 1, 1], "strides": [1, 2, 3], "dilation_rate": [1, 1, 1]}
    layer = spec("Conv3D", kernel, **CONV, **sizes)
    assert lengths(layer, (1, 6, 6, 6, 1), on("cntk", "2.2.2")) == (3, 2, 6)
    assert lengths(layer, (1, 6, 6, 6, 1), on("cntk")) == (6, 3, 2)


OPEN = TensorType("float32", (1, symbol("time"), 1))


@pytest.mark.parametrize("backend", ["cntk", "mxnet"])
def test_an_open_length_with_strides_is_refused(backend: str) -> None:
    sizes = {"filters": 1, "kernel_size": [3], "dilation_rate": [1]}
    kernel = {"kernel": np.ones((3, 1, 1), np.float32)}
    with pytest.raises(LoweringError, match=r"(?s)depends on the length.*--dim"):
        lower_alone(spec("Conv1D", kernel, **CONV, **sizes, strides=[2]), OPEN, on(backend))
    lower_alone(spec("Conv1D", kernel, **CONV, **sizes, strides=[1]), OPEN, on(backend))
    lower_alone(spec("Conv1D", kernel, **CONV, **sizes, strides=[2]), OPEN, on("theano"))


def test_what_a_backend_can_not_compute() -> None:
    pool = spec("MaxPooling3D", **POOL, pool_size=[1, 2, 2], strides=[1, 2, 2])
    with pytest.raises(LoweringError, match="pads a window of 1 by -1"):
        lengths(pool, (1, 5, 5, 5, 1), on("theano"))
    weights = {"depthwise_kernel": np.ones((2, 2, 1, 1)), "pointwise_kernel": np.ones((1, 1, 1, 3))}
    sizes = {"filters": 3, "kernel_size": [2, 2], "strides": [1, 1], "dilation_rate": [2, 2]}
    with pytest.raises(LoweringError, match="leaves the groups out"):
        lengths(spec("SeparableConv2D", weights, **CONV, **sizes), (1, 5, 6, 1), on("cntk"))
