"""Two ways to compute the same thing, timed call by call in turn, so that what else the machine does meets both."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

#: What makes one call and says how many seconds it took.
Call = Callable[[], float]


def compare(ours: Call, peer: Call, *, seconds: float, warm_up: int) -> dict[str, float]:
    """Medians in seconds of interleaved calls, and the median of the pairwise ratios ours / peer; at least 9 pairs."""
    for _ in range(warm_up):
        ours()
        peer()
    times: list[tuple[float, float]] = []
    stop = time.perf_counter() + seconds
    while time.perf_counter() < stop or len(times) < 9:
        if len(times) % 2:
            first = ours()
            times.append((first, peer()))
        else:
            second = peer()
            times.append((ours(), second))
    return {
        "ours": median(pair[0] for pair in times),
        "peer": median(pair[1] for pair in times),
        "ratio": median(pair[0] / pair[1] for pair in times),
        "pairs": len(times),
    }
