"""``verify``: an export folder, run again."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kexport import plugins
from kexport.api.exporting import GOLDEN, Progress
from kexport.api.manifest import file_sha256, read_manifest
from kexport.api.references import GoldenLike, read_golden
from kexport.api.results import VerifyResult, VerifyRow
from kexport.contracts import Artifact, Port, Signature
from kexport.errors import NotVerifiedError, UsageError, VerificationError
from kexport.ir import Dim, TensorType, symbol
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
        vectors = read_golden(golden) if golden is not None else _own_golden(folder, manifest)
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


def _own_golden(folder: Path, manifest: Mapping[str, Any]) -> Golden:
    entry = manifest["golden"]
    if entry is None:
        raise NotVerifiedError(
            f"{str(folder)!r} holds no golden vectors: it was exported without verification.",
            hint="Give some with --golden; `kexport record MODEL` makes them.",
        )
    problem = _damage(folder, [entry])
    if problem:
        raise NotVerifiedError(
            f"The golden vectors can't be used: {problem}", hint=f"Export again, or restore {GOLDEN}."
        )
    return read_golden(folder / GOLDEN)


def _row(folder: Path, name: str, entry: Mapping[str, Any], golden: Golden) -> VerifyRow:
    main = _inside(folder, entry["main"])
    if not entry["files"]:
        raise UsageError(f"The manifest of {str(folder)!r} names no files of {name}.", hint="Export again.")
    problem = _damage(folder, entry["files"])
    if problem:
        return VerifyRow(name, main, None, problem)
    artifact = Artifact(
        main, tuple(Path(file["path"]) for file in entry["files"]), _signature(entry["signature"])
    )
    runtime = plugins.runtime(entry["runtime"])
    try:
        verdict = verify_artifact(
            artifact, runtime, golden, tolerance=entry["tolerance"], bounds=entry["bounds"]
        )
    except VerificationError as error:
        return VerifyRow(name, main, None, error.message)
    return VerifyRow(name, main, verdict, " ".join(verdict.problems))


def _damage(folder: Path, files: Sequence[Mapping[str, Any]]) -> str:
    """How the first file that is not what the manifest says differs; empty where all are."""
    for file in files:
        path = _inside(folder, file["path"])
        if not path.is_file():
            return f"{path} is missing."
        if file_sha256(path) != file["sha256"]:
            return f"{path} was changed after the export: its SHA-256 is not the manifest's."
    return ""


def _inside(folder: Path, name: str) -> Path:
    """A path that the manifest names; it may not lead out of the folder."""
    path = Path(name)
    if path.is_absolute() or ".." in path.parts:
        raise UsageError(f"The manifest of {str(folder)!r} names a file outside the folder: {name!r}")
    return folder / path


def _signature(entry: Mapping[str, Any]) -> Signature:
    return Signature(
        inputs=tuple(_port(port) for port in entry["inputs"]),
        outputs=tuple(_port(port) for port in entry["outputs"]),
        name=entry["name"],
    )


def _port(entry: Mapping[str, Any]) -> Port:
    # An expression (`2*time+1`) becomes a symbol of that name: only that it is unknown matters here.
    shape: tuple[Dim, ...] = tuple(dim if isinstance(dim, int) else symbol(dim) for dim in entry["shape"])
    axes = tuple(entry.get("axes", ()))
    if axes and sorted(axes) != list(range(len(shape))):
        raise TypeError(f"axes {axes} of {len(shape)} dimensions")
    return Port(entry["name"], TensorType(entry["dtype"], shape), entry.get("artifact_name", ""), axes)
