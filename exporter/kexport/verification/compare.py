"""How far an output is from its reference.

The *range* of a reference output is the length of the shortest interval that holds 0 and all its finite elements
over all samples; 1 where they are all 0. The *relative error* of an element is its absolute error over that range.
Held against the range, an error says how much of the output's scale is lost; held against single elements it would
say most about those that happen to be near 0, where float32 sums cancel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kexport.ir import Array
from kexport.ir.texts import as_bytes

#: The spacing of float32 at 1 (IEEE 754 binary32 has 23 fraction bits).
FLOAT32_SPACING = 2.0**-23


@dataclass(frozen=True)
class OutputRow:
    """One output compared over all samples.

    Attributes:
        name: the output's Keras name, or a layer's key.
        shape: of one sample.
        max_abs_error, mean_abs_error: over the elements that are finite on both sides.
        max_rel_error: ``max_abs_error`` over the reference's range, as this module defines it.
        range: that range.
        cosine: the least cosine of a sample's output and its reference; None for outputs that are not floats.
        argmax_agreement: the share of positions where both have their largest element along the last axis at the same
            index, or at equal ones (ties, to the tolerance); None where the last axis has fewer than two elements.
        worst_sample: the sample that ``max_abs_error`` is in.
        nan: the number of elements that are NaN in both.
        problem: why it did not pass; empty when it did.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    max_abs_error: float
    max_rel_error: float
    mean_abs_error: float
    range: float
    cosine: float | None
    argmax_agreement: float | None
    worst_sample: int
    nan: int
    problem: str

    @property
    def passed(self) -> bool:
        """Whether the output is the reference's to the tolerance."""
        return not self.problem


def compare(
    name: str, reference: Array, computed: Array, *, tolerance: float, bound: float = 0.0
) -> OutputRow:
    """Compare two arrays of (samples, …).

    Floats pass when every element's error is at most ``tolerance`` times the reference's range and NaNs and
    infinities are at the same places. Integers, bools and text pass when they are equal.

    Args:
        name: what the row is called.
        reference: what Keras computed.
        computed: the same shape; the dtype may differ in width.
        tolerance: of the relative error.
        bound: the largest magnitude that the output's function can give (1 after a sigmoid or softmax), 0 where
            unknown. An error below the spacing of float32 at the bound always passes: far into saturation the range
            may be 1e-30, and no float32 arithmetic keeps 1e-5 of that.
    """
    if reference.shape != computed.shape:
        problem = f"shape {computed.shape}, the reference has {reference.shape}"
        return _row(name, reference, problem=problem, error=np.inf)
    if reference.dtype.kind not in "fc" or computed.dtype.kind not in "fc":
        return _compare_exact(name, reference, computed)
    wanted, got = reference.astype(np.float64), computed.astype(np.float64)
    finite = np.isfinite(wanted) & np.isfinite(got)
    with np.errstate(invalid="ignore"):
        errors = np.where(finite, np.abs(wanted - got), 0.0)
    extent = value_range(wanted)
    worst = float(errors.max(initial=0.0))
    allowed = max(tolerance * extent, FLOAT32_SPACING * bound)
    problem = (
        _special_values(wanted, got) or _nothing_finite(wanted) or _too_far(worst, extent, allowed, tolerance)
    )
    return OutputRow(
        name=name,
        shape=reference.shape[1:],
        dtype=reference.dtype.name,
        max_abs_error=worst,
        max_rel_error=worst / extent,
        mean_abs_error=float(errors.sum() / max(int(finite.sum()), 1)),
        range=extent,
        cosine=least_cosine(np.where(finite, wanted, 0), np.where(finite, got, 0)),
        argmax_agreement=argmax_agreement(wanted, got, allowed),
        worst_sample=_worst_sample(errors),
        nan=int((np.isnan(wanted) & np.isnan(got)).sum()),
        problem=problem,
    )


def value_range(reference: Array) -> float:
    """The length of the shortest interval that holds 0 and every finite element; 1 where all are 0."""
    finite = reference[np.isfinite(reference)]
    extent = float(finite.max(initial=0.0)) - float(finite.min(initial=0.0))
    return extent or 1.0


def least_cosine(wanted: Array, got: Array) -> float:
    """The least cosine, over the samples, of two finite arrays; that of two zeros is 1, of a zero and another 0."""
    a, b = (
        np.reshape(array, (len(array), -1)) if array.ndim else np.reshape(array, (1, 1))
        for array in (wanted, got)
    )
    # Scaled first: squares of large or tiny elements leave the doubles' range.
    a, b = (
        array / np.maximum(np.abs(array).max(axis=1, keepdims=True, initial=0.0), 1e-300) for array in (a, b)
    )
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    both_zero = ~a.any(axis=1) & ~b.any(axis=1)
    cosines = np.where(
        norms > 0, (a * b).sum(axis=1) / np.where(norms > 0, norms, 1), both_zero.astype(float)
    )
    return float(np.clip(cosines, -1, 1).min(initial=1.0))


def argmax_agreement(wanted: Array, got: Array, tie: float) -> float | None:
    """The share of positions whose largest element along the last axis is at the same index in both.

    Indices that differ agree all the same where the reference's elements at both are within twice ``tie`` of each
    other (each may be off by ``tie``). Positions with a NaN are left out.
    """
    if wanted.ndim < 2 or wanted.shape[-1] < 2 or not wanted.size:
        return None
    known = ~(np.isnan(wanted).any(axis=-1) | np.isnan(got).any(axis=-1))
    if not known.any():
        return None
    wanted, got = wanted[known], got[known]
    chosen = np.take_along_axis(wanted, got.argmax(axis=-1)[..., None], axis=-1)[..., 0]
    best = wanted.max(axis=-1)
    return float(((chosen == best) | (chosen >= best - 2 * tie)).mean())


def _special_values(wanted: Array, got: Array) -> str:
    nans = int((np.isnan(wanted) != np.isnan(got)).sum())
    if nans:
        return f"NaN on one side alone in {nans} of {wanted.size} elements"
    infinite = np.isinf(wanted) | np.isinf(got)
    unequal = int((infinite & (wanted != got) & ~np.isnan(wanted)).sum())
    return f"infinite on one side alone in {unequal} of {wanted.size} elements" if unequal else ""


def _nothing_finite(wanted: Array) -> str:
    if not wanted.size or np.isfinite(wanted).any():
        return ""
    return "the reference holds no finite element, so nothing was compared: look for NaN in the weights or the samples"


def _too_far(worst: float, extent: float, allowed: float, tolerance: float) -> str:
    if worst <= allowed:
        return ""
    return f"an element is off by {worst:.3g}, {worst / extent:.2g} of the output's range; {tolerance:.2g} is allowed"


def _compare_exact(name: str, reference: Array, computed: Array) -> OutputRow:
    if (reference.dtype.kind in "SUO") != (computed.dtype.kind in "SUO"):
        return _row(
            name, reference, problem=f"{computed.dtype.name} in place of {reference.dtype.name}", error=np.inf
        )
    if reference.dtype.kind in "SUO":
        unequal = np.asarray(as_bytes(reference) != as_bytes(computed))
        errors = unequal.astype(np.float64)
    else:
        unequal = np.asarray(reference != computed)
        errors = np.abs(reference.astype(np.float64) - computed.astype(np.float64))
    count = int(unequal.sum())
    kind = reference.dtype.name
    problem = f"{count} of {reference.size} elements differ, and {kind} is compared exactly" if count else ""
    return _row(
        name,
        reference,
        problem=problem,
        error=float(errors.max(initial=0.0)),
        errors=errors,
    )


def _row(
    name: str, reference: Array, *, problem: str, error: float, errors: Array | None = None
) -> OutputRow:
    extent = value_range(reference.astype(np.float64)) if reference.dtype.kind in "biufc" else 1.0
    return OutputRow(
        name=name,
        shape=reference.shape[1:],
        dtype=reference.dtype.name,
        max_abs_error=error,
        max_rel_error=error / extent,
        mean_abs_error=float(errors.mean()) if errors is not None and errors.size else error,
        range=extent,
        cosine=None,
        argmax_agreement=None,
        worst_sample=0 if errors is None else _worst_sample(errors),
        nan=0,
        problem=problem,
    )


def _worst_sample(errors: Array) -> int:
    if not errors.size or not errors.ndim:
        return 0
    return int(np.reshape(errors, (len(errors), -1)).max(axis=1).argmax())
