"""What verification found."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from kexport.verification.compare import OutputRow


@dataclass(frozen=True)
class AcceleratorRow:
    """What else the runtime can compute the artifact on (threads, a GPU): the greatest error relative to an output's range, None where
    it did not run; and why it is not to be used, empty where it may be. An artifact that is shipped with such a choice makes it itself."""

    name: str
    max_rel_error: float | None
    problem: str

    @property
    def passed(self) -> bool:
        """Whether it computes what the reference computes."""
        return not self.problem


@dataclass(frozen=True)
class Verdict:
    """The comparison of an artifact's outputs with the reference's.

    Attributes:
        rows: one an output, in the model's order.
        tolerance: of the error relative to an output's range.
        samples: how many samples were run.
        runtime: what ran the artifact (``ai-edge-litert 2.3.0``).
        reference: what computed the reference (``Keras 3.15.1 (tensorflow 2.21.0)``).
        accelerators: what else the runtime can compute it on. They don't decide whether it passed.
    """

    rows: tuple[OutputRow, ...]
    tolerance: float
    samples: int
    runtime: str
    reference: str
    accelerators: tuple[AcceleratorRow, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every output is the reference's."""
        return all(row.passed for row in self.rows)

    @property
    def max_rel_error(self) -> float:
        """The largest error of any output relative to its range."""
        return max((row.max_rel_error for row in self.rows), default=0.0)

    @property
    def worst(self) -> OutputRow:
        """The row that is furthest off: failed ones first, then by relative error."""
        return max(self.rows, key=lambda row: (not row.passed, row.max_rel_error))

    @property
    def problems(self) -> Sequence[str]:
        """A line for each output that did not pass."""
        return [f"Output {row.name!r}: {row.problem}." for row in self.rows if row.problem]

    @property
    def warnings(self) -> Sequence[str]:
        """What passed and deserves a look all the same."""
        nan = [
            f"Output {row.name!r} is NaN in {row.nan} elements, in the reference too."
            for row in self.rows
            if row.nan
        ]
        return nan + [
            f"Output {row.name!r}: the largest element agrees at {row.argmax_agreement:.1%} of positions."
            for row in self.rows
            if row.passed and row.argmax_agreement is not None and row.argmax_agreement < 1
        ]

    def _accelerators(self) -> list[dict[str, Any]]:
        return [
            {key: _plain(value) for key, value in asdict(row).items()} | {"passed": row.passed}
            for row in self.accelerators
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the manifest; errors that are infinite become None, which JSON can hold."""
        rows = [
            {key: _plain(value) for key, value in asdict(row).items()} | {"passed": row.passed}
            for row in self.rows
        ]
        return {
            "passed": self.passed,
            "tolerance": self.tolerance,
            "samples": self.samples,
            "runtime": self.runtime,
            "reference": self.reference,
            "outputs": rows,
        } | ({"accelerators": self._accelerators()} if self.accelerators else {})


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return list(value) if isinstance(value, tuple) else value
