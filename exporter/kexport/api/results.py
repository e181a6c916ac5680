"""What the functions of :mod:`kexport.api` return."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from kexport.contracts import Signature
    from kexport.errors import KexportError
    from kexport.reference.golden import Golden
    from kexport.verification import Verdict

#: ``verified``; ``skipped`` because the caller asked for it; ``unavailable``: no reference could be had.
Status = Literal["verified", "skipped", "unavailable"]

#: Exit codes of failed targets, the worst first.
_WORST_FIRST = (1, 5, 4, 3, 7, 6, 2, 8)


@dataclass(frozen=True)
class ModelInfo:
    """What a model is and who wrote it.

    Attributes:
        file: the file's name without its folder; empty for a live model.
        sha256: of the file, in hexadecimal; empty for a live model.
        keras_version, backend, library, format: as in ``kexport.loading.spec.Provenance``.
        layers: the number of layers, nested ones included.
        parameters: the number of weight elements.
        notes: what the file leaves open and its reader should know, a sentence or two each.
    """

    name: str
    class_name: str
    file: str
    sha256: str
    keras_version: str
    backend: str
    library: str
    format: str
    layers: int
    parameters: int
    weights_file: str = ""
    weights_sha256: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class TargetResult:
    """One exported artifact.

    Attributes:
        target: the format's name.
        artifact: the file or folder that a runtime takes.
        files: all files of the artifact.
        nbytes: the size of ``files`` together.
        signature: inputs and outputs by their Keras names, in the model's order.
        options: every option of the target, with the value it had.
        status: whether the artifact was verified.
        reason: why not; empty when it was.
        verdict: the comparison with the reference; None unless verified.
        details: what the target says of its artifact (op counts, format versions).
    """

    target: str
    artifact: Path
    files: tuple[Path, ...]
    nbytes: int
    signature: Signature
    options: Mapping[str, Any]
    status: Status
    reason: str = ""
    verdict: Verdict | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def verified(self) -> bool:
        """Whether the artifact ran and computed what the reference computed."""
        return self.status == "verified"


@dataclass(frozen=True)
class ExportResult:
    """A finished export.

    Attributes:
        folder: the export folder.
        manifest: its ``manifest.json``.
        golden: its golden vectors; None where there were none to verify with.
        model: what was exported.
        targets: one result a target that succeeded, in the order asked for; at least one.
        failures: the error of each target that did not.
    """

    folder: Path
    manifest: Path
    golden: Path | None
    model: ModelInfo
    targets: tuple[TargetResult, ...]
    failures: Mapping[str, KexportError] = field(default_factory=dict)

    @property
    def artifact(self) -> Path:
        """The artifact of the first target."""
        return self.targets[0].artifact

    @property
    def verified(self) -> bool:
        """Whether every target asked for succeeded and was verified."""
        return not self.failures and all(target.verified for target in self.targets)

    @property
    def exit_code(self) -> int:
        """What the command line exits with: 0, 8 where nothing could verify, or the worst failure's."""
        codes = {error.exit_code for error in self.failures.values()}
        codes |= {8 for target in self.targets if target.status == "unavailable"}
        return next((code for code in _WORST_FIRST if code in codes), 0)


def worst(failures: Mapping[str, KexportError]) -> KexportError:
    """The failure that decides the exit code."""
    return min(failures.values(), key=lambda error: _WORST_FIRST.index(error.exit_code))


@dataclass(frozen=True)
class PortInfo:
    """An input or output: ``shape`` is of integers and names of unknown dimensions (``batch``, ``time``)."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]


@dataclass(frozen=True)
class LayerRow:
    """A layer of an inspected model.

    Attributes:
        path: the names of the models around it and its own, joined by ``/``.
        output_shapes: one a call and output tensor; empty where it could not be worked out.
        parameters: the number of its own weight elements and of those inside it.
        known: whether kexport lowers this class.
    """

    path: str
    class_name: str
    output_shapes: tuple[tuple[int | str, ...], ...]
    parameters: int
    known: bool


@dataclass(frozen=True)
class TargetReport:
    """Whether a model can be exported to a target; ``problems`` say what stops it, layer by layer."""

    target: str
    exportable: bool
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class InspectResult:
    """What a model is, and what it can be exported to. ``outputs`` is empty where it can't be lowered; what comes before the
    layer that stops it has its shapes all the same."""

    model: ModelInfo
    inputs: tuple[PortInfo, ...]
    outputs: tuple[PortInfo, ...]
    layers: tuple[LayerRow, ...]
    targets: tuple[TargetReport, ...]


@dataclass(frozen=True)
class RecordResult:
    """A golden file that was written: ``path``, and what it holds."""

    path: Path
    golden: Golden


@dataclass(frozen=True)
class VerifyRow:
    """One artifact of an export folder: its verdict, or (``verdict`` None) the problem that kept it from running. ``note``: what was not
    done, and how to have it done."""

    target: str
    artifact: Path
    verdict: Verdict | None
    problem: str = ""
    note: str = ""

    @property
    def passed(self) -> bool:
        """Whether the artifact is whole and computes what the golden vectors say."""
        return self.verdict is not None and self.verdict.passed and not self.problem


@dataclass(frozen=True)
class VerifyResult:
    """An export folder that was verified again."""

    folder: Path
    rows: tuple[VerifyRow, ...]

    @property
    def passed(self) -> bool:
        """Whether every artifact passed."""
        return all(row.passed for row in self.rows)


@dataclass(frozen=True)
class SmokeRow:
    """One thing that was asked of a server.

    Attributes:
        check: ``status``, ``metadata``, ``predict (row)``, ``predict (column)``, ``predict (grpc)`` or ``load``.
        status: ``skipped`` where it could not be asked.
        detail: what was found, or what is wrong.
        verdict: the comparison with the golden vectors, where outputs were compared.
    """

    check: str
    status: Literal["passed", "failed", "skipped"]
    detail: str
    verdict: Verdict | None = None


@dataclass(frozen=True)
class SmokeResult:
    """A served model beside its export.

    Attributes:
        folder: the export.
        serving: the server's address.
        model: the name that it is served under.
        rows: what was asked, in that order.
        load: ``form``, ``concurrency``, ``requests``, ``errors`` (how many, by kind), ``seconds``, ``throughput`` (right answers a second),
            and in seconds ``p50``, ``p90``, ``p99``, ``fastest``, ``slowest``; None where it was not asked for.
    """

    folder: Path
    serving: str
    model: str
    rows: tuple[SmokeRow, ...]
    load: Mapping[str, Any] | None = None

    @property
    def passed(self) -> bool:
        """Whether nothing was wrong, and outputs were compared."""
        return self.exit_code == 0

    @property
    def exit_code(self) -> int:
        """What the command line exits with: 0, 5 where something is wrong, 8 where no output could be compared."""
        if any(row.status == "failed" for row in self.rows):
            return 5
        return 0 if any(row.verdict is not None for row in self.rows) else 8
