"""Frames and transforms against NumPy's."""

from __future__ import annotations

import numpy as np
import pytest

from kexport.ir import TensorType, symbol
from kexport.ir.evaluate import evaluate
from kexport.lowering.fourier import frames, real_transform
from support.graphs import graph_of

SIGNALS = np.random.default_rng(1).normal(size=(2, 1000))


@pytest.mark.parametrize("time", [1000, symbol("time")])
@pytest.mark.parametrize(("length", "step"), [(16, 4), (400, 160), (30, 7), (8, 12), (1, 1), (1000, 3)])
def test_frames_are_windows_of_the_signal(length, step, time):
    def build(b, x):
        return {"y": frames(b, x, length, step)}

    graph = graph_of({"x": TensorType("float64", (symbol("batch"), time))}, build)
    wanted = np.lib.stride_tricks.sliding_window_view(SIGNALS, length, axis=1)[:, ::step]
    np.testing.assert_array_equal(evaluate(graph, [SIGNALS])[0], wanted)


@pytest.mark.parametrize("length", [1, 2, 3, 13, 30, 60, 64, 400, 512])
def test_transforms_are_numpys_rfft(length):
    x = np.random.default_rng(2).normal(size=(2, 2, length))

    def build(b, x):
        real, imaginary = real_transform(b, x)
        return {"real": real, "imaginary": imaginary}

    graph = graph_of({"x": TensorType("float64", (2, 2, length))}, build)
    real, imaginary = evaluate(graph, [x])
    wanted = np.fft.rfft(x)
    assert real.shape == wanted.shape
    np.testing.assert_allclose(real, wanted.real, atol=1e-12)
    np.testing.assert_allclose(imaginary, wanted.imag, atol=1e-12)


def test_a_transform_of_2048_points_stores_less_than_a_sixtieth_of_its_matrix():
    graph = graph_of({"x": TensorType("float32", (1, 1, 2048))}, lambda b, x: {"y": real_transform(b, x)[0]})
    stored = sum(value.constant.size for value in graph.constants())
    assert stored < 2048 * 1025 * 2 / 60
