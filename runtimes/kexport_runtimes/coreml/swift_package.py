"""Runs the tests of a Swift package that stands around a model: `swift test`, on a Mac.

It was written from the documentation of Swift's package manager (5.9) and run with another program in the place of ``swift``: where this
project's tests run there is no macOS.
"""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

#: What a line of the tests begins with; the rest is JSON: ``compute_units``, ``output``, ``error`` (left out where it is infinite), ``tolerance``,
#: ``seconds``, and ``problem`` where there is one.
MARK: Final = "kexport-golden:"

#: Building a package, compiling its model for each choice of compute units and running it may take so many seconds.
_LIMIT: Final = 1800

#: Asking where a tool is, may take so many; the first time after an installation it takes a few.
_FINDING: Final = 60

#: As much of what `swift test` says is shown where it reports nothing.
_SHOWN: Final = 2000


def missing() -> str | None:
    """None where `swift test` can run the tests; otherwise why not, with what changes it."""
    if platform.system() != "Darwin":
        return "its tests run Core ML itself, which only a Mac has."
    if shutil.which("swift") is None or not _has_xctest():
        return "there is no XCTest here: install Xcode, then `sudo xcode-select --switch /Applications/Xcode.app`."
    return None


def _has_xctest() -> bool:
    """Whether the developer tools that are selected have it: the command-line tools alone have a `swift` without."""
    command = ["xcrun", "--find", "xctest"]
    try:
        found = subprocess.run(command, capture_output=True, check=False, timeout=_FINDING)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return found.returncode == 0


def run_tests(
    package: Path, *, swift: str = "swift", seconds: float = _LIMIT
) -> dict[str, tuple[float | None, str]]:
    """Build a package and run its tests; its folder is left as it is.

    Args:
        package: the folder of ``Package.swift``.
        swift: the program.
        seconds: how long it may take.

    Returns:
        By compute units: the largest error of an output relative to its range, None where one is infinite, and what is wrong, empty where
        nothing is.

    Raises:
        RuntimeError: the tests can't be built, or end without a report.
    """
    with tempfile.TemporaryDirectory(prefix="kexport-swift-") as scratch:
        command = [swift, "test", "--package-path", str(package), "--scratch-path", scratch]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", check=False, timeout=seconds
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise RuntimeError(f"`swift test` in {package} did not end: {error}") from error
    found = _found(done.stdout)
    failed = any(problem for _, problem in found.values())
    # Where a test fails otherwise (the model does not load), the reports of others are no proof.
    if not found or (done.returncode != 0 and not failed):
        said = (done.stdout + done.stderr).strip()[-_SHOWN:]
        raise RuntimeError(f"`swift test` in {package} ended with {done.returncode}: {said}")
    return found


def _found(text: str) -> dict[str, tuple[float | None, str]]:
    found: dict[str, tuple[float | None, str]] = {}
    for line in text.splitlines():
        _, mark, rest = line.partition(MARK)
        row = _row(rest) if mark else None
        if row is None:
            continue
        units, error = str(row["compute_units"]), row.get("error")
        before, problems = found.get(units, (0.0, ""))
        worst = None if before is None or error is None else max(before, float(error))
        new = f"Output {row['output']!r}: {row['problem']}." if row.get("problem") else ""
        found[units] = (worst, f"{problems} {new}".strip())
    return found


def _row(text: str) -> Mapping[str, Any] | None:
    try:
        row = json.loads(text)
    except ValueError:
        return None
    return row if isinstance(row, dict) and {"compute_units", "output"} <= set(row) else None
