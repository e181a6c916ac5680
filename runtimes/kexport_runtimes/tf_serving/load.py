"""How fast a server answers when it is asked by several at once."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final

from numpy.typing import NDArray

from kexport_runtimes.tf_serving.errors import ServerError

Arrays = dict[str, NDArray[Any]]

#: Requests of one caller, so that nothing grows without bound.
_MOST: Final = 1_000_000

#: A caller whose requests fail waits, so as not to hammer a server that is down.
_PAUSE_S: Final = 0.05


@dataclass(frozen=True)
class Load:
    """What was measured. Latencies are in seconds, of answers that were right; None where there was none.

    Attributes:
        requests: how many were answered, rightly or not, or failed.
        errors: how many failed, by what happened.
        seconds: from the first request to the last answer.
        throughput: right answers a second.
        p50, p90, p99: the latency that half, 90 % and 99 % of the requests stay below or at.
    """

    requests: int
    errors: Mapping[str, int]
    seconds: float
    throughput: float
    p50: float | None
    p90: float | None
    p99: float | None
    fastest: float | None
    slowest: float | None


def measured(
    asker: Callable[[], AbstractContextManager[Callable[[], Callable[[], Arrays]]]],
    *,
    concurrency: int,
    seconds: float,
    accept: Callable[[Arrays], bool],
) -> Load:
    """Ask from ``concurrency`` threads, each as soon as its last answer is read."""
    callers = [_Caller(asker, seconds, accept) for _ in range(concurrency)]
    start = time.monotonic()
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    elapsed = time.monotonic() - start
    times = sorted(taken for caller in callers for taken in caller.times)
    errors = sum((caller.errors for caller in callers), Counter[str]())
    return Load(
        requests=len(times) + sum(errors.values()),
        errors=dict(sorted(errors.items())),
        seconds=elapsed,
        throughput=len(times) / elapsed,
        **{name: percentile(times, share) for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))},
        fastest=times[0] if times else None,
        slowest=times[-1] if times else None,
    )


def percentile(times: list[float], share: float) -> float | None:
    """The least of the sorted ``times`` that this share of them is not above (the nearest rank)."""
    return times[max(0, math.ceil(share * len(times)) - 1)] if times else None


class _Caller(threading.Thread):
    def __init__(self, asker: Any, seconds: float, accept: Callable[[Arrays], bool]) -> None:
        super().__init__(name="kexport-caller", daemon=True)
        self.times: list[float] = []
        self.errors: Counter[str] = Counter()
        self._asker = asker
        self._seconds = seconds
        self._accept = accept

    def run(self) -> None:
        end = time.monotonic() + self._seconds
        with self._asker() as ask:
            while time.monotonic() < end and len(self.times) + self.errors.total() < _MOST:
                begun = time.perf_counter()
                try:
                    answered = ask()
                    taken = time.perf_counter() - begun
                    right = self._accept(answered())
                except ServerError as error:
                    self.errors[error.kind] += 1
                    time.sleep(_PAUSE_S)
                    continue
                if right:
                    self.times.append(taken)
                else:
                    self.errors["wrong answer"] += 1
