"""``verify``: an export folder, run again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kexport import plugins
from kexport.api.exported import damage, inside, own_golden, signature
from kexport.api.exporting import Progress
from kexport.api.manifest import read_manifest
from kexport.api.references import GoldenLike, read_golden
from kexport.api.results import VerifyResult, VerifyRow
from kexport.contracts import Artifact
from kexport.errors import UsageError, VerificationError
from kexport.reference import Golden
from kexport.verification import verify as verify_artifact


def verify(
    folder: str | os.PathLike[str], *, golden: GoldenLike | None = None, progress: Progress | None = None
) -> VerifyResult:
    """Check the files of an export against its manifest, run each artifact on its runtime, and compare.

    Args:
        folder: what :func:`kexport.export` wrote.
        golden: other golden vectors than the folder's own.

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
            rows.append(_row(folder, name, entry, vectors))
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
