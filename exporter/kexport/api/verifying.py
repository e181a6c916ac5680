"""``verify``: an export folder, run again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from kexport import plugins
from kexport.api.exported import damage, inside, own_golden, signature
from kexport.api.exporting import Progress
from kexport.api.manifest import read_manifest
from kexport.api.references import GoldenLike, read_golden
from kexport.api.results import VerifyResult, VerifyRow
from kexport.contracts import Artifact
from kexport.errors import MissingDependencyError, UsageError, VerificationError
from kexport.reference import Golden
from kexport.verification import AcceleratorRow
from kexport.verification import verify as verify_artifact


def verify(
    folder: str | os.PathLike[str],
    *,
    golden: GoldenLike | None = None,
    own_tests: bool | None = None,
    progress: Progress | None = None,
) -> VerifyResult:
    """Check the files of an export against its manifest, run each artifact on its runtime, and compare.

    Args:
        folder: what :func:`kexport.export` wrote.
        golden: other golden vectors than the folder's own.
        own_tests: whether to run the tests that artifacts bring along (a Swift package's) as well. They are programs, which run with the
            rights of this one: None runs them where they can run and are, to the byte, what this kexport writes; True whatever they are, so
            that the folder must be of somebody you trust.

    Returns:
        A row an artifact; a damaged file or a wrong output is a row that did not pass, not an exception.

    Raises:
        UsageError: the folder is not an export, or the golden vectors are of another signature.
        NotVerifiedError: it holds no golden vectors and none were given.
        MissingDependencyError: a runtime is not installed.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    notify = progress or (lambda _: None)
    try:
        vectors = read_golden(golden) if golden is not None else own_golden(folder, manifest)
        rows = []
        if not manifest["targets"]:
            raise UsageError(f"The manifest of {str(folder)!r} names no artifact.", hint="Export again.")
        for name, entry in manifest["targets"].items():
            notify(f"Running {name} on {entry['runtime']}")
            row = _row(folder, name, entry, vectors)
            if row.verdict is not None and "own_tests" in entry.get("details", {}) and own_tests is not False:
                row = _with_own_tests(row, folder, entry, notify, asked=own_tests is True)
            rows.append(row)
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"The manifest of {str(folder)!r} is damaged: {error!r}.", hint="Export again."
        ) from error
    return VerifyResult(folder, tuple(rows))


def _row(folder: Path, name: str, entry: Mapping[str, Any], golden: Golden) -> VerifyRow:
    main = inside(folder, entry["main"])
    if not entry["files"]:
        raise UsageError(f"The manifest of {str(folder)!r} names no files of {name}.", hint="Export again.")
    problem = damage(folder, entry["files"])
    if problem:
        return VerifyRow(name, main, None, problem)
    artifact = Artifact(
        main, tuple(Path(file["path"]) for file in entry["files"]), signature(entry["signature"])
    )
    runtime = plugins.runtime(entry["runtime"])
    try:
        verdict = verify_artifact(
            artifact, runtime, golden, tolerance=entry["tolerance"], bounds=entry["bounds"]
        )
    except VerificationError as error:
        return VerifyRow(name, main, None, error.message)
    return VerifyRow(name, main, verdict, " ".join(verdict.problems))


def _with_own_tests(
    row: VerifyRow, folder: Path, entry: Mapping[str, Any], notify: Progress, *, asked: bool
) -> VerifyRow:
    """The row, with what the artifact's own tests found, where they are ``asked`` for or may run unasked."""
    runtime: Any = plugins.runtime(entry["runtime"])
    missing = runtime.own_tests_available()
    if missing is not None:
        if asked:
            raise MissingDependencyError(f"The tests of the {row.target} artifact can't run here: {missing}")
        return row
    target: Any = plugins.target(row.target)
    details = entry["details"]
    if not asked and not target.wrote_own_tests(folder / row.target, details):
        return replace(row, note=_NOT_OURS)
    notify(f"Running the tests of {row.target}")
    try:
        found = runtime.own_tests(inside(folder, f"{row.target}/{details['own_tests']}"))
    except RuntimeError as error:
        return replace(row, problem=f"{row.problem} {error}".strip())
    more = tuple(AcceleratorRow(name, error, problem) for name, (error, problem) in found.items())
    assert row.verdict is not None
    verdict = replace(row.verdict, accelerators=(*row.verdict.accelerators, *more))
    problems = [f"On {item.name}: {item.problem}" for item in more if item.problem]
    return replace(
        row, verdict=verdict, problem=" ".join([*([row.problem] if row.problem else []), *problems])
    )


_NOT_OURS: Final = "Its own tests were not run: they, or files beside them, are not what this version of kexport writes. If you trust them: --own-tests."
