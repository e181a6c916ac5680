"""How long calls of an engine take, said alike for every engine."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

#: Calls before those that are timed: engines allocate and choose kernels in their first.
WARM_UP = 5


def check(runs: int, threads: int) -> None:
    """Hold a benchmark's arguments to what can be timed.

    Raises:
        ValueError: ``runs`` or ``threads`` is below 1.
    """
    if runs < 1 or threads < 1:
        raise ValueError(f"A benchmark takes at least 1 run and 1 thread. Received: {runs=}, {threads=}")


def summary(seconds: Sequence[float], threads: int) -> dict[str, Any]:
    """``{"median": s, "fastest": s, "runs": n, "threads": n}`` of the seconds that each call took."""
    return {"median": median(seconds), "fastest": min(seconds), "runs": len(seconds), "threads": threads}
