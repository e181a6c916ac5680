"""Whole-process measurements: wall time and peak memory of a command, by the operating system's own accounting."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median


@dataclass(frozen=True)
class Run:
    """One finished process. ``peak`` is the largest resident set, in bytes."""

    wall: float
    peak: int


def run_process(command: Sequence[str], log: Path) -> Run:
    """Run ``command`` to its end.

    Raises:
        RuntimeError: it failed; the message holds the end of what it printed.
    """
    result = log.with_suffix(".measured")
    launcher = [sys.executable, "-S", str(Path(__file__).with_name("launch.py")), str(result), str(log)]
    # What Python has compiled it keeps, as it does of an installed package: the peers' are.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([*launcher, *command], check=True, env=environment)
    wall, peak, code = result.read_text().split()
    if int(code):
        tail = log.read_text(errors="replace")[-2000:]
        raise RuntimeError(f"{' '.join(command)} ended with {code}:\n{tail}")
    return Run(float(wall), int(peak) * (1 if sys.platform == "darwin" else 1024))


@dataclass(frozen=True)
class Paired:
    """Interleaved runs of two commands."""

    ours: list[Run]
    peers: list[Run]

    @property
    def wall_ratio(self) -> float:
        """Median of ours / peer, pair by pair."""
        return median(a.wall / b.wall for a, b in zip(self.ours, self.peers, strict=True))

    @property
    def peak_ratio(self) -> float:
        """Median of ours / peer, pair by pair."""
        return median(a.peak / b.peak for a, b in zip(self.ours, self.peers, strict=True))


def run_paired(ours: Sequence[str], peer: Sequence[str], runs: int, log: Path) -> Paired:
    """The two commands in turn, ``runs`` times, after one uncounted run of ours to warm the disk cache."""
    run_process(ours, log)
    a, b = [], []
    for _ in range(runs):
        a.append(run_process(ours, log))
        b.append(run_process(peer, log))
    return Paired(a, b)
