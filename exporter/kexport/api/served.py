"""What an export says of its model, asked of a server."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from kexport.api.exported import signature
from kexport.api.exporting import Progress
from kexport.api.results import SmokeRow
from kexport.contracts import Artifact, Port, ServedModel
from kexport.errors import VerificationError
from kexport.ir import Array
from kexport.reference import Golden
from kexport.verification import compare, golden_sample, verify

#: Kinds of failures after which a server need not be asked anything else.
_UNREACHABLE = ("refused", "connection", "timeout", "TLS", "UNAVAILABLE", "no HTTP")

#: Letters of a row's detail.
_LONGEST = 2000

Shapes = Mapping[str, tuple[str, tuple[int, ...] | None]]


def _shown(text: str) -> str:
    """What a server says is shown on one line, as far as it can be read, and without what steers a terminal."""
    plain = "".join(letter if letter.isprintable() else " " for letter in text[:_LONGEST])
    return plain + ("…" if len(text) > _LONGEST else "")


class Questions:
    """What an export says, and what a server answers to it."""

    def __init__(self, entry: Mapping[str, Any], golden: Golden, notify: Progress) -> None:
        self.load: dict[str, Any] | None = None
        self._artifact = Artifact(Path(), (), signature(entry["signature"]))
        self._signatures = {
            name: {kind: _plain_shapes(ports[kind]) for kind in ("inputs", "outputs")}
            for name, ports in entry["details"]["signatures"].items()
        }
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
                row = step()
            except ValueError as error:
                row = SmokeRow(check, "skipped", str(error))
            except RuntimeError as error:
                gone = getattr(error, "kind", "") in _UNREACHABLE
                row = SmokeRow(check, "failed", str(error))
            yield replace(row, detail=_shown(row.detail))

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


def _plain_shapes(ports: Sequence[Mapping[str, Any]]) -> Shapes:
    """The same of ports in the manifest."""
    return {
        port["name"]: (
            port["dtype"],
            tuple(dim if isinstance(dim, int) else -1 for dim in port["shape"]),
        )
        for port in ports
    }


def _differences(name: str, wanted: Mapping[str, Shapes], found: Mapping[str, Any]) -> Iterator[str]:
    """How a signature on the server differs from the export's."""
    if name not in found:
        yield f"there is no signature {name!r}, but {', '.join(sorted(found)) or 'none'}"
        return
    for kind, ours in wanted.items():
        theirs: Shapes = getattr(found[name], kind)
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
