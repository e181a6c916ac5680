"""What counts as the same output."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from kexport.verification.compare import argmax_agreement, compare, least_cosine, value_range

FLOATS = hnp.arrays(np.float32, (3, 5), elements=st.floats(-(2.0**60), 2.0**60, width=32))


@settings(max_examples=100)
@given(FLOATS)
def test_an_output_is_itself(array: np.ndarray) -> None:
    row = compare("y", array, array.copy(), tolerance=0.0)
    assert row.passed
    assert row.max_abs_error == row.max_rel_error == row.mean_abs_error == 0
    assert row.cosine == pytest.approx(1)
    assert row.argmax_agreement == 1


@settings(max_examples=100)
@given(FLOATS, st.integers(0, 14), st.floats(1e-4, 10))
def test_one_element_off_by_more_than_the_tolerance_fails(
    array: np.ndarray, where: int, error: float
) -> None:
    reference = array.astype(np.float64)
    computed = reference.copy()
    computed.flat[where] += 2 * error * value_range(reference)
    row = compare("y", reference, computed, tolerance=error)
    assert not row.passed
    assert row.worst_sample == where // 5
    assert row.max_rel_error == pytest.approx(2 * error, rel=1e-3)
    assert compare("y", reference, computed, tolerance=2.001 * error).passed


@settings(max_examples=100)
@given(FLOATS, st.integers(-40, 40))
def test_relative_errors_do_not_depend_on_the_unit(array: np.ndarray, power: int) -> None:
    reference = array.astype(np.float64)
    noise = np.linspace(-1, 1, reference.size).reshape(reference.shape) * value_range(reference) * 1e-3
    scale = 2.0**power
    first = compare("y", reference, reference + noise, tolerance=1)
    second = compare("y", reference * scale, (reference + noise) * scale, tolerance=1)
    if value_range(reference) != 1.0:  # zeros have no unit
        assert second.max_rel_error == pytest.approx(first.max_rel_error)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 0.0], 1.0),
        ([3.0, 3.0], 3.0),
        ([-3.0, -3.0], 3.0),
        ([1000.0, 1001.0], 1001.0),
        ([-1.0, 1.0], 2.0),
        ([np.nan, 2.0], 2.0),
        ([np.inf, -np.inf], 1.0),
        ([], 1.0),
    ],
)
def test_the_range_is_the_shortest_interval_with_zero(values: list[float], expected: float) -> None:
    assert value_range(np.array(values)) == expected


def test_a_constant_output_is_held_to_its_magnitude() -> None:
    reference = np.full((4, 3), 50.0, np.float32)
    assert compare("y", reference, reference + np.float32(4e-4), tolerance=1e-5).passed
    assert not compare("y", reference, reference + np.float32(6e-4), tolerance=1e-5).passed


def test_zeros_are_held_to_the_tolerance_itself() -> None:
    zeros = np.zeros((2, 3), np.float32)
    assert compare("y", zeros, zeros + np.float32(9e-6), tolerance=1e-5).passed
    assert not compare("y", zeros, zeros + np.float32(2e-5), tolerance=1e-5).passed


def test_saturated_outputs_are_held_to_float32s_spacing_at_their_bound() -> None:
    reference = np.array([[1e-30], [2e-30]])
    computed = reference * 1.01
    assert not compare("y", reference, computed, tolerance=1e-5).passed
    assert compare("y", reference, computed, tolerance=1e-5, bound=1.0).passed
    assert not compare("y", reference, computed + 1e-6, tolerance=1e-5, bound=1.0).passed


def test_nan_in_both_is_equal_and_reported() -> None:
    array = np.array([[1.0, np.nan], [np.inf, -np.inf]])
    row = compare("y", array, array.copy(), tolerance=0)
    assert row.passed
    assert row.nan == 1


def test_a_reference_without_a_finite_element_proves_nothing() -> None:
    array = np.full((2, 3), np.nan)
    assert "no finite element" in compare("y", array, array.copy(), tolerance=1e-5).problem


@pytest.mark.parametrize(
    ("reference", "computed", "problem"),
    [
        ([[1.0, np.nan]], [[1.0, 2.0]], "NaN on one side alone in 1 of 2"),
        ([[1.0, 2.0]], [[np.nan, np.nan]], "NaN on one side alone in 2 of 2"),
        ([[1.0, 2.0]], [[1.0, np.inf]], "infinite on one side alone in 1 of 2"),
        ([[1.0, np.inf]], [[1.0, -np.inf]], "infinite on one side alone in 1 of 2"),
        ([[1.0, np.inf]], [[1.0, 3e38]], "infinite on one side alone in 1 of 2"),
    ],
)
def test_special_values_on_one_side_fail(
    reference: list[list[float]], computed: list[list[float]], problem: str
) -> None:
    row = compare("y", np.array(reference), np.array(computed), tolerance=1e9)
    assert problem in row.problem


def test_other_shapes_fail() -> None:
    row = compare("y", np.zeros((2, 3)), np.zeros((2, 4)), tolerance=1)
    assert "(2, 4)" in row.problem
    assert math.isinf(row.max_abs_error)


def test_integers_bools_and_text_are_exact() -> None:
    large = np.array([[2**53 + 1]])
    assert compare("y", large, large.copy(), tolerance=0).passed
    assert not compare("y", large, large - 1, tolerance=1).passed
    assert compare("y", np.array([[1]], np.int64), np.array([[1]], np.int32), tolerance=0).passed
    assert (
        "1 of 2 elements differ"
        in compare("y", np.array([[True, False]]), np.array([[True, True]]), tolerance=1).problem
    )
    assert compare("y", np.array([["a"]]), np.array([["a"]], dtype="U9"), tolerance=0).passed
    assert not compare("y", np.array([["a"]]), np.array([["b"]]), tolerance=1).passed


def test_cosine() -> None:
    a = np.array([[1.0, 0.0], [1.0, 1.0]])
    assert least_cosine(a, a * 3) == pytest.approx(1)
    assert least_cosine(a, -a) == pytest.approx(-1)
    assert least_cosine(a, np.array([[0.0, 1.0], [1.0, 1.0]])) == pytest.approx(0)
    assert least_cosine(np.zeros((2, 2)), np.zeros((2, 2))) == 1
    assert least_cosine(a, np.zeros((2, 2))) == 0
    assert least_cosine(a * 1e-300, a * 1e-300) == pytest.approx(1)
    assert least_cosine(a * 1e300, a * 1e300) == pytest.approx(1)


def test_argmax() -> None:
    reference = np.array([[0.1, 0.9], [0.5, 0.5], [0.7, 0.3], [0.2, 0.8]])
    swapped = reference[:, ::-1]
    assert argmax_agreement(reference, reference, 0) == 1
    assert argmax_agreement(reference, swapped, 0) == 0.25  # the tie agrees
    close = np.array([[0.50001, 0.5]])
    assert argmax_agreement(close, close[:, ::-1], 1e-5) == 1
    assert argmax_agreement(close, close[:, ::-1], 1e-6) == 0
    assert argmax_agreement(np.zeros((3, 1)), np.zeros((3, 1)), 0) is None
    assert argmax_agreement(np.zeros(3), np.zeros(3), 0) is None
    assert argmax_agreement(np.full((1, 2), np.nan), np.zeros((1, 2)), 0) is None
