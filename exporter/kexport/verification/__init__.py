"""Whether an artifact computes what the model's own Keras computed, and where the two part."""

from __future__ import annotations

from kexport.verification.compare import OutputRow, compare
from kexport.verification.localize import Drift, localize
from kexport.verification.verdict import AcceleratorRow, Verdict
from kexport.verification.verify import golden_sample, golden_samples, run_artifact, verify

__all__ = [
    "AcceleratorRow",
    "Drift",
    "OutputRow",
    "Verdict",
    "compare",
    "golden_sample",
    "golden_samples",
    "localize",
    "run_artifact",
    "verify",
]
