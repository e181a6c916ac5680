"""``smoke``: a served model, beside the export that it is of."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from kexport import plugins
from kexport.api.exported import own_golden
from kexport.api.exporting import Progress
from kexport.api.manifest import read_manifest
from kexport.api.references import GoldenLike, read_golden
from kexport.api.results import SmokeResult
from kexport.api.served import Questions
from kexport.contracts import ServedModel, ServingClient
from kexport.errors import MissingDependencyError, UsageError

#: What can be served, and by what.
_SERVED = {"saved_model": "tf_serving"}


def smoke(
    folder: str | os.PathLike[str],
    serving: str,
    *,
    model_name: str | None = None,
    version: int | None = None,
    golden: GoldenLike | None = None,
    timeout: float = 30.0,
    concurrency: int = 1,
    seconds: float = 0.0,
    headers: Mapping[str, str] | None = None,
    ca_file: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> SmokeResult:
    """Ask a running TF Serving for what an export says that it computes.

    The model's status, its signatures, and the outputs for the golden inputs: over REST sample by sample and input by input, or over
    gRPC. Whatever the server does wrong (late, not there, another model, garbage) is a row of the result.

    Args:
        folder: what :func:`kexport.export` wrote, with the target ``saved_model``.
        serving: ``http://HOST:8501`` (REST) or ``grpc://HOST:8500``; with TLS ``https://``, ``grpcs://``.
        model_name: the name that it is served under; by default the one that the export says.
        version: the version to ask; by default the newest that is available.
        golden: other golden vectors than the folder's own.
        timeout: seconds for each request, from connecting to the last byte.
        concurrency: how many ask at once while the load is measured.
        seconds: for how long the load is measured; 0 for not at all.
        headers: that every request has (``{"Authorization": "Bearer …"}``).
        ca_file: certificates (PEM) to trust in place of the system's.

    Raises:
        UsageError: the folder is no export of a SavedModel, an argument can't be what it is, or the golden vectors are of another model.
        NotVerifiedError: the folder holds no golden vectors and none were given.
        MissingDependencyError: what gRPC needs is not installed.
    """
    _check_numbers(timeout, concurrency, seconds, version)
    folder = Path(folder)
    manifest = read_manifest(folder)
    try:
        name, entry = _target(folder, manifest)
        vectors = read_golden(golden) if golden is not None else own_golden(folder, manifest)
        model = model_name or str(entry["details"]["model_name"])
        run = Questions(entry, vectors, progress or (lambda _: None))
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"The manifest of {str(folder)!r} is damaged: {error!r}.", hint="Export again."
        ) from error
    client = plugins.server(_SERVED[name])
    with closing(_connected(client, serving, model, version, timeout, headers, ca_file)) as served:
        rows = tuple(run.rows(served, f"{client.name} at {serving}", concurrency, seconds))
    return SmokeResult(folder, serving, model, rows, run.load)


def _check_numbers(timeout: float, concurrency: int, seconds: float, version: int | None) -> None:
    if not (0 < timeout < math.inf and 0 <= seconds < math.inf):
        raise UsageError(
            f"A timeout is more than 0 seconds, a measurement not less. Received: {timeout=}, {seconds=}"
        )
    if not 1 <= concurrency <= 1000:
        raise UsageError(f"1 to 1000 can ask at once. Received: {concurrency}")
    if version is not None and version < 0:
        raise UsageError(f"A version is a number from 0 on. Received: {version}")


def _target(folder: Path, manifest: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    for name in _SERVED:
        if name in manifest["targets"]:
            return name, manifest["targets"][name]
    raise UsageError(
        f"{str(folder)!r} holds nothing that a server takes. Received: {', '.join(manifest['targets']) or 'no artifact'}",
        hint="Export with --target saved_model.",
    )


def _connected(
    client: ServingClient,
    serving: str,
    model: str,
    version: int | None,
    timeout: float,
    headers: Mapping[str, str] | None,
    ca_file: str | os.PathLike[str] | None,
) -> ServedModel:
    try:
        why = client.missing(serving)
        if why is not None:
            raise MissingDependencyError(why)
        return client.connect(
            serving,
            model,
            version=version,
            timeout=timeout,
            headers=dict(headers or {}),
            ca_file=None if ca_file is None else os.fspath(ca_file),
        )
    except ValueError as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        raise UsageError(
            f"The certificates in {str(ca_file)!r} can't be used: {error.strerror or error}."
        ) from error
