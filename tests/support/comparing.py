"""The measure of agreement that end-to-end tests use."""

from __future__ import annotations

from typing import Any

import numpy as np

#: Relative to the output's range, for float32 arithmetic.
FLOAT32 = 1e-5


def assert_close(computed: Any, expected: Any, tolerance: float = FLOAT32) -> None:
    """Equal shape and dtype, and every element within ``tolerance`` times the range of ``expected``."""
    assert computed.shape == expected.shape
    assert computed.dtype == expected.dtype
    if expected.dtype.kind != "f":
        np.testing.assert_array_equal(computed, expected)
        return
    finite = expected[np.isfinite(expected)]
    span = max(float(np.ptp(finite)), float(np.abs(finite).max()), 1e-6) if finite.size else 1e-6
    np.testing.assert_allclose(computed, expected, rtol=0, atol=tolerance * span, equal_nan=True)
