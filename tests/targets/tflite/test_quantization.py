"""What quantized layers do to their inputs, and weights that are stored in 8 and 4 bits."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from kexport.ir import Constant
from kexport.ir.evaluate import evaluate
from support.graphs import graph_from
from targets.tflite.running import emit, outputs_of


def every_float8(scale: float = 1.0) -> np.ndarray:
    """Every finite number of float8_e4m3fn, the middles between neighbours, and what is next to those."""
    numbers = np.arange(256, dtype=np.uint8).view(ml_dtypes.float8_e4m3fn).astype(np.float32)
    numbers = np.unique(numbers[np.isfinite(numbers)])
    middles = (numbers[1:] + numbers[:-1]) / 2
    near = [np.nextafter(middles, np.float32(end)) for end in (-np.inf, np.inf)]
    powers = np.ldexp(np.float32(1), np.arange(-12, 9))
    beside = [np.nextafter(powers, np.float32(end)) for end in (0, 448)]
    tiny = np.array([1e-38, 1e-45, -1e-30, 0.0, -0.0], np.float32)
    return np.concatenate([numbers, middles, *near, powers, *beside, tiny]) * np.float32(scale)


def test_float8_is_rounded_as_ml_dtypes_does():
    x = every_float8()[None]
    wanted = x.astype(ml_dtypes.float8_e4m3fn).astype(np.float32)
    graph = graph_from({"x": ("float32", x.shape)}, lambda b, x: b.op("round_float8", x))
    np.testing.assert_array_equal(evaluate(graph, [x])[0], wanted)
    ((computed,),) = outputs_of(graph, [x])
    np.testing.assert_array_equal(computed, wanted)


@pytest.mark.parametrize("axes", [(1,), (0, 1), (2,)])
def test_levels_are_kerass_to_the_bit(axes):
    x = np.random.default_rng(1).normal(0, 3, (4, 5, 6)).astype(np.float32)
    x[0, 0] = 0  # a row of zeros has a scale of its own: 127 / 1e-7
    graph = graph_from({"x": ("float32", x.shape)}, lambda b, x: b.ops("absmax_quantize", x, axes=axes))
    meant = evaluate(graph, [x])
    ((levels, scale),) = outputs_of(graph, [x])
    np.testing.assert_array_equal(levels, meant[0])
    np.testing.assert_array_equal(scale, meant[1])


def test_halves_go_to_the_even_level():
    x = np.array([[127.0, 0.5, 1.5, 2.5, -0.5, -1.5, 3.25]], np.float32)
    graph = graph_from(
        {"x": ("float32", x.shape)}, lambda b, x: b.ops("absmax_quantize", x, axes=(1,), epsilon=0.0)
    )
    ((levels, _),) = outputs_of(graph, [x])
    np.testing.assert_array_equal(levels, [[127, 0, 2, 2, 0, -2, 3]])


@pytest.mark.parametrize(
    ("narrow", "low", "high", "bytes_each"), [("int8", -127, 127, 1.0), ("int4", -8, 7, 0.5)]
)
@pytest.mark.parametrize("columns", [64, 33])
def test_weights_of_whole_numbers_are_stored_narrow(narrow, low, high, bytes_each, columns, tmp_path):
    rng = np.random.default_rng(2)
    kernel = rng.integers(low, high, (65, columns), endpoint=True).astype(np.float32)
    x = rng.normal(size=(3, 65)).astype(np.float32)

    def body(b, x):
        weights = b.constant(Constant.of(kernel).known_as(narrow))
        scaled = b.op("mul", b.op("dense", x, weights, None), b.constant(np.full(columns, 0.01, np.float32)))
        return b.op("transpose", scaled, perm=(1, 0))

    graph = graph_from({"x": ("float32", x.shape)}, body)
    meant = evaluate(graph, [x])
    ((computed,),) = outputs_of(graph, [x])
    np.testing.assert_allclose(computed, meant[0], rtol=0, atol=1e-6 * np.ptp(meant[0]))
    emit(graph_from({"x": ("float32", x.shape)}, body), tmp_path)
    assert (tmp_path / "model.tflite").stat().st_size < kernel.size * bytes_each + 2600


def test_a_scale_is_not_folded_into_a_narrow_kernel(tmp_path):
    """It would be one of float32 then, four or eight times as large."""
    kernel = np.random.default_rng(2).integers(-8, 7, (200, 100)).astype(np.float32)

    def body(b, x):
        product = b.op("dense", x, b.constant(Constant.of(kernel).known_as("int4")), None)
        return b.op(
            "add", b.op("mul", product, b.constant(np.linspace(1, 2, 100), "float32")), b.scalar(1.0, x)
        )

    emit(graph_from({"x": ("float32", (1, 200))}, body), tmp_path)
    assert (tmp_path / "model.tflite").stat().st_size < kernel.size / 2 + 4000
