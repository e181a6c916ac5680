"""A classifier's last operation. Source: coremltools 9.0, mil/ops/defs/iOS15/classify.py."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kexport_runtimes.coreml.errors import ComputeError
from kexport_runtimes.coreml.registry import op

Array = NDArray[Any]


@op("classify")
def classify(probabilities: Array, classes: Any) -> tuple[Any, dict[Any, float]]:
    """The most probable class, and the probability of each. Labels are text or integers."""
    labels = [label.item() if isinstance(label, np.generic | np.ndarray) else label for label in classes]
    values = probabilities.reshape(-1)
    if len(labels) != len(values) or not labels:
        raise ComputeError(f"takes a probability a class. Received: {len(labels)} classes, {len(values)}")
    if len(set(labels)) != len(labels):
        raise ComputeError("takes classes that differ. Received: some twice")
    best = labels[int(np.argmax(values))]
    return (best if isinstance(best, str) else np.array(best)), dict(
        zip(labels, values.tolist(), strict=True)
    )
