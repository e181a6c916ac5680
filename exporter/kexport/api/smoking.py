"""``smoke``: a served model, beside the export that it is of."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from kexport import plugins
from kexport.api.exported import own_golden, signature
from kexport.api.exporting import Progress
from kexport.api.manifest import read_manifest
from kexport.api.references import GoldenLike, read_golden
from kexport.api.results import SmokeResult, SmokeRow
from kexport.contracts import Artifact, Port, ServedModel, ServingClient
from kexport.errors import MissingDependencyError, UsageError, VerificationError
from kexport.ir import Array
from kexport.reference import Golden
from kexport.verification import compare, golden_sample, verify

#: What can be served, and by what.
_SERVED = {"saved_model": "tf_serving"}

#: Kinds of failures after which a server need not be asked anything else.
_UNREACHABLE = ("refused", "connection", "timeout", "TLS", "UNAVAILABLE", "no HTTP")

Shapes = Mapping[str, tuple[str, tuple[int, ...] | None]]


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
        client = plugins.server(_SERVED[name])
        vectors = read_golden(golden) if golden is not None else own_golden(folder, manifest)
        model = model_name or str(entry["details"]["model_name"])
        run = _Smoke(entry, vectors, progress or (lambda _: None))
        with closing(_connected(client, serving, model, version, timeout, headers, ca_file)) as served:
            rows = tuple(run.rows(served, f"{client.name} at {serving}", concurrency, seconds))
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"The manifest of {str(folder)!r} is damaged: {error!r}.", hint="Export again."
        ) from error
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


class _Smoke:
    """What an export says, and what a server answers to it."""

    def __init__(self, entry: Mapping[str, Any], golden: Golden, notify: Progress) -> None:
        self.load: dict[str, Any] | None = None
        self._artifact = Artifact(Path(), (), signature(entry["signature"]))
        self._signatures: Mapping[str, Any] = entry["details"]["signatures"]
        self._tolerance: float = entry["tolerance"]
        self._bounds: Mapping[str, float] = entry["bounds"]
        self._golden = golden
        self._notify = notify

    def rows(self, served: ServedModel, server: str, concurrency: int, seconds: float) -> Iterator[SmokeRow]:
        """Ask for one thing after the other; for nothing else where there is nobody."""
        steps: list[tuple[str, Callable[[], SmokeRow]]] = [
            ("status", partial(self._status, served)),
            ("metadata", partial(self._metadata, served)),
        ]
        steps += [
            (f"predict ({form})", partial(self._predict, served, server, form)) for form in served.forms
        ]
        if seconds:
            steps.append(("load", partial(self._load, served, concurrency, seconds)))
        gone = False
        for check, step in steps:
            if gone:
                yield SmokeRow(check, "skipped", "the server does not answer")
                continue
            self._notify(f"Asking {server}: {check}")
            try:
                yield step()
            except ValueError as error:
                yield SmokeRow(check, "skipped", str(error))
            except RuntimeError as error:
                gone = getattr(error, "kind", "") in _UNREACHABLE
                yield SmokeRow(check, "failed", str(error))

    def _status(self, served: ServedModel) -> SmokeRow:
        states = served.states()
        told = ", ".join(
            f"version {item.version} {item.state}" + (f" ({item.problem})" if item.problem else "")
            for item in states
        )
        ready = any(item.state == "AVAILABLE" for item in states)
        return SmokeRow("status", "passed" if ready else "failed", told or "no version is there")

    def _metadata(self, served: ServedModel) -> SmokeRow:
        found = served.signatures()
        problems = [
            problem
            for name, wanted in self._signatures.items()
            for problem in _differences(name, wanted, found)
        ]
        if problems:
            return SmokeRow("metadata", "failed", "; ".join(problems))
        return SmokeRow("metadata", "passed", f"signatures {', '.join(self._signatures)}")

    def _predict(self, served: ServedModel, server: str, form: str) -> SmokeRow:
        check = f"predict ({form})"
        asked = _Asked(served, self._artifact, server, form)
        try:
            verdict = verify(
                self._artifact, asked, self._golden, tolerance=self._tolerance, bounds=self._bounds
            )
        except VerificationError as error:
            raise asked.failure or RuntimeError(error.message) from error
        detail = (
            " ".join(verdict.problems) or f"{verdict.samples} samples as {verdict.reference} computes them"
        )
        return SmokeRow(check, "passed" if verdict.passed else "failed", detail, verdict)

    def _load(self, served: ServedModel, concurrency: int, seconds: float) -> SmokeRow:
        sample = golden_sample(self._artifact, self._golden, self._tolerance, self._bounds)

        def accept(outputs: Mapping[str, Array]) -> bool:
            return all(
                compare(
                    name, wanted, outputs[name], tolerance=self._tolerance, bound=self._bounds.get(name, 0.0)
                ).passed
                for name, wanted in sample.outputs.items()
            )

        ports = _Asked(served, self._artifact, "", "").ports
        # Inputs side by side are the shorter way to say them.
        form = served.forms[-1]
        found = asdict(
            served.load(
                sample.inputs,
                self._artifact.signature.name,
                ports,
                form,
                concurrency=concurrency,
                seconds=seconds,
                accept=accept,
            )
        )
        self.load = {"form": form, "concurrency": concurrency, **found}
        if found["errors"]:
            told = ", ".join(f"{count} × {kind}" for kind, count in found["errors"].items())
            return SmokeRow("load", "failed", f"{told}, of {found['requests']} requests")
        return SmokeRow("load", "passed", f"{found['requests']} requests, each answered rightly")


class _Asked:
    """A served model as a runtime: what is compared is what it answers."""

    name = "serving"

    def __init__(self, served: ServedModel, artifact: Artifact, server: str, form: str) -> None:
        self.ports = served.ports(_shapes(artifact.signature.inputs), _shapes(artifact.signature.outputs))
        #: What the server did wrong.
        self.failure: RuntimeError | ValueError | None = None
        self._served = served
        self._signature = artifact.signature.name
        self._server = server
        self._form = form

    def available(self) -> str | None:
        return None

    def version(self) -> str:
        return self._server

    def run(self, artifact: Path, inputs: Mapping[str, Array]) -> dict[str, Array]:
        try:
            return dict(self._served.predict(inputs, self._signature, self.ports, self._form))
        except (RuntimeError, ValueError) as error:
            self.failure = error
            raise

    def benchmark(
        self, artifact: Path, inputs: Mapping[str, Array], *, runs: int, threads: int
    ) -> Mapping[str, Any]:
        raise NotImplementedError


def _shapes(ports: tuple[Port, ...]) -> Shapes:
    return {
        port.name: (
            port.type.dtype,
            tuple(dim if isinstance(dim, int) else -1 for dim in port.type.shape),
        )
        for port in ports
    }


def _differences(name: str, wanted: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    """How a signature on the server differs from the export's."""
    if name not in found:
        yield f"there is no signature {name!r}, but {', '.join(sorted(found)) or 'none'}"
        return
    for kind in ("inputs", "outputs"):
        ours = {
            port["name"]: (port["dtype"], tuple(dim if isinstance(dim, int) else -1 for dim in port["shape"]))
            for port in wanted[kind]
        }
        theirs = {
            key: (dtype, None if dims is None else tuple(dims))
            for key, (dtype, dims) in getattr(found[name], kind).items()
        }
        if ours != theirs:
            yield f"the {kind} of {name!r} are {_told(ours)}; received {_told(theirs)}"


def _told(ports: Shapes) -> str:
    return (
        ", ".join(
            f"{name}: {dtype}{'(unknown)' if dims is None else dims}"
            for name, (dtype, dims) in sorted(ports.items())
        )
        or "none"
    )
