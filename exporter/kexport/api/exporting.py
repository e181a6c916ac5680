"""``export``: from a trained model to verified artifacts."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from kexport import plugins
from kexport.api.code import CustomObjects
from kexport.api.destination import MANIFEST, staged
from kexport.api.lengths import Lengths, check_lengths, fixed, lengths_text
from kexport.api.manifest import file_entry, signature_entry, write_manifest
from kexport.api.options import complete, plain_options
from kexport.api.references import Given, GoldenLike, SamplesLike, Vectors, read_golden, start
from kexport.api.results import ExportResult, ModelInfo, Status, TargetResult, worst
from kexport.api.source import Batch, InputShape, Model, Source, check_batch, open_model
from kexport.contracts import Artifact, Companions, Pixels, Runtime, Target
from kexport.errors import (
    KexportError,
    MissingDependencyError,
    NotVerifiedError,
    UsageError,
    VerificationError,
)
from kexport.ir import Graph
from kexport.reference import Golden, save_golden
from kexport.verification import Drift, Verdict, golden_samples, localize, verify
from kexport.verification.bounds import output_bounds, reference_tolerance

#: Called with what begins: ``progress("Lowering 156 layers")``.
Progress = Callable[[str], None]

GOLDEN = "golden.npz"


def export(
    model: Model,
    target: str | Sequence[str] = "tflite",
    *,
    output: str | os.PathLike[str] | None = None,
    batch: Batch | None = None,
    dimensions: Mapping[str, Lengths] | None = None,
    input_shape: InputShape | None = None,
    weights: str | os.PathLike[str] | None = None,
    trained_on: str | None = None,
    custom_objects: CustomObjects | None = None,
    custom_object: str | Sequence[str] = (),
    trust_lambda: bool = False,
    golden: GoldenLike | None = None,
    samples: SamplesLike | None = None,
    verify: bool = True,
    options: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    **more_options: Any,
) -> ExportResult:
    """Export a model and verify each artifact on its own runtime.

    The export folder appears whole and verified, or not at all: after an error nothing is left behind, and an earlier
    export in the same place is as it was. With several targets each one stands for itself, and the folder holds those
    that succeeded.

    Args:
        model: the path of an ``.h5``, ``.hdf5``, ``.keras`` or ``.json`` file, or a Keras model.
        target: the name of a format, or several.
        output: the export folder; by default ``<model>_export`` in the current folder. An earlier export there is
            replaced; a folder with anything else in it is refused.
        batch: the batch of the artifact's inputs, or ``"dynamic"``; by default what is usual for the format: 1 for TF Lite, dynamic
            for ONNX.
        dimensions: values for unknown dimensions by their names (``{"time": 128}``); the others stay dynamic. A ``range`` or a tuple bounds
            a dimension for formats that want to know its lengths; others leave it open.
        input_shape: dimensions without the batch that the file leaves unknown (``(128, None)``), by input name where
            the model has several inputs.
        weights: the weights file of a ``.json`` model.
        trained_on: the backend that trained the model, where the file does not say.
        custom_objects: the code of custom layers and functions: a Python file, which is run in a process of its own, or
            objects by the names that the file gives them, with which Keras loads the model in this process.
        custom_object: a function, or several, as ``NAME=EXPRESSION`` (``"<lambda>=relu(max_value=20)"``).
        trust_lambda: whether to run the Python code that the file itself holds, in a process of its own and with the
            rights of this one.
        golden: golden vectors, or their file, to verify with instead of running Keras.
        samples: inputs to verify with, of shape (samples, …) by input name, or an ``.npz`` file of them.
        verify: whether to verify.
        options: options of the targets by name; keyword arguments do the same (``float16=True``).
        progress: called with a line of text when a step begins.

    Returns:
        The result. Where no reference could be had, the export is there, ``verified`` is False, and each target's
        ``reason`` says why.

    Raises:
        UsageError: an argument can't be what it is, or the output can't be written.
        ModelReadError: the model can't be read.
        LoweringError: a layer can't be exported to any of the targets.
        VerificationError: the artifacts' outputs are not the reference's; the message names the first layer that drifts.
        MissingDependencyError: a target or its runtime is not installed.
    """
    notify = progress or _ignore
    if batch is not None:
        check_batch(batch)
    if golden is not None and samples is not None:
        raise UsageError("Golden vectors bring their own inputs: give either golden or samples.")
    jobs = _jobs(
        [target] if isinstance(target, str) or not isinstance(target, Iterable) else list(target),
        {**(options or {}), **more_options},
    )
    failures = _missing_runtimes(jobs) if verify else {}
    if len(failures) == len(jobs):
        raise worst(failures)
    given = None if golden is None else Given(read_golden(golden))
    notify("Reading the model")
    with ExitStack() as stack:
        source = stack.enter_context(
            closing(
                open_model(
                    model,
                    weights=weights,
                    trained_on=trained_on,
                    input_shape=input_shape,
                    custom_objects=custom_objects,
                    custom_object=custom_object,
                    trust_lambda=trust_lambda,
                )
            )
        )
        destination = Path(output) if output is not None else Path(f"{source.stem}_export")
        folder = stack.enter_context(staged(destination))
        vectors = stack.enter_context(given or start(source, samples)) if verify else None
        run = _Run(source, batch, dict(dimensions or {}), folder, vectors, notify)
        run.failures.update(failures)
        return run.finish([job for job in jobs if job.target.name not in failures], destination)


def _ignore(text: str) -> None:
    """No progress is wanted."""


@dataclass
class _Job:
    """One target's way through an export."""

    target: Target
    runtime: Runtime
    options: dict[str, Any]
    bounds: dict[str, float] = field(default_factory=dict)
    #: Of the error relative to an output's range: the target's rounding, or the reference's own where that is more.
    tolerance: float = 0.0
    artifact: Artifact | None = None
    verdict: Verdict | None = None
    reason: str = ""

    @property
    def emitted(self) -> Artifact:
        """The artifact, which is there."""
        assert self.artifact is not None
        return self.artifact


def _jobs(names: Sequence[str], options: Mapping[str, Any]) -> list[_Job]:
    if not names:
        raise UsageError(
            "At least one target is needed.", hint=f"Targets: {', '.join(plugins.target_names())}."
        )
    if not all(isinstance(name, str) for name in names):
        raise UsageError(f"A target is the name of a format. Received: {list(names)}")
    targets = [plugins.target(name) for name in dict.fromkeys(names)]
    chosen = complete(targets, options)
    return [_Job(target, plugins.runtime(target.runtime), chosen[target.name]) for target in targets]


def _missing_runtimes(jobs: Sequence[_Job]) -> dict[str, KexportError]:
    """Found out before any work is done."""
    missing: dict[str, KexportError] = {}
    for job in jobs:
        why = job.runtime.available()
        if why is not None:
            missing[job.target.name] = MissingDependencyError(
                f"The {job.target.name} artifact can't be run here: {why}",
                hint="Or export it with --no-verify.",
            )
    return missing


class _Run:
    """An export under way in a folder that is not yet in its place."""

    def __init__(
        self,
        source: Source,
        batch: Batch | None,
        dimensions: Mapping[str, Lengths],
        folder: Path,
        vectors: Vectors | None,
        notify: Progress,
    ) -> None:
        self.source = source
        self.batch = batch
        self.dimensions = dimensions
        self.folder = folder
        self.vectors = vectors
        self.notify = notify
        self.failures: dict[str, KexportError] = {}

    def finish(self, jobs: Sequence[_Job], destination: Path) -> ExportResult:
        """Emit, verify and describe; the paths in the result are those under ``destination``."""
        self._emit_all(jobs)
        if not self._left(jobs):
            raise worst(self.failures)
        golden, reason = self._golden()
        for job in self._left(jobs):
            job.reason = reason
            self._guarded(job, lambda job=job: self._complete(job, golden))  # type: ignore[misc]
        for job in self._left(jobs):
            if golden is not None:
                self._guarded(job, lambda job=job: self._verify(job, golden))  # type: ignore[misc]
        done = self._left(jobs)
        if not done:
            raise worst(self.failures)
        info = self._describe(done, golden)
        return ExportResult(
            folder=destination,
            manifest=destination / MANIFEST,
            golden=destination / GOLDEN if golden else None,
            model=info,
            targets=tuple(self._result(job, destination) for job in done),
            failures=self.failures,
        )

    @cached_property
    def _model(self) -> ModelInfo:
        """What is exported; the file is read once for its hash."""
        return self.source.info()

    def _left(self, jobs: Sequence[_Job]) -> list[_Job]:
        return [job for job in jobs if job.target.name not in self.failures]

    def _guarded(self, job: _Job, step: Callable[[], None]) -> None:
        """Run a step of one target; where it fails, the target is dropped and the others go on."""
        try:
            step()
        except KexportError as error:
            self.failures[job.target.name] = error
            shutil.rmtree(self.folder / job.target.name, ignore_errors=True)

    def _emit_all(self, jobs: Sequence[_Job]) -> None:
        self.notify(f"Lowering {len(self.source.spec.layers)} layers")
        for job in jobs:
            # A target may change the graph it is given, so each one gets its own.
            own = self._lower(job)
            if self.vectors is not None and job is jobs[0]:
                self.vectors.prepare(own, _images(jobs, own))
            job.bounds = output_bounds(own)
            job.tolerance = max(job.target.tolerance(job.options), reference_tolerance(own))
            self.notify(f"Writing {job.target.name}")
            self._guarded(job, lambda job=job, own=own: self._emit(job, own))  # type: ignore[misc]

    def _batch(self, job: _Job) -> Batch:
        """The batch that was asked for, else the one that the target's format usually has."""
        return self.batch if self.batch is not None else getattr(job.target, "default_batch", 1)

    def _lower(self, job: _Job) -> Graph:
        graph = self.source.lower(self._batch(job), fixed(self.dimensions))
        graph.lengths = {
            name: allowed for name, allowed in self.dimensions.items() if not isinstance(allowed, int)
        }
        check_lengths(graph)
        graph.provenance = {
            name: text for name, text in asdict(self._model).items() if isinstance(text, str) and text
        }
        return graph

    def _emit(self, job: _Job, graph: Graph) -> None:
        folder = self.folder / job.target.name
        folder.mkdir()
        job.artifact = _build(job, graph, folder)

    def _golden(self) -> tuple[Golden | None, str]:
        """The golden vectors, or why there are none."""
        if self.vectors is None:
            return None, "verification was not asked for"
        self.notify("Waiting for the reference outputs")
        try:
            return self.vectors.golden(), ""
        except NotVerifiedError as error:
            return None, str(error)

    def _complete(self, job: _Job, golden: Golden | None) -> None:
        """Give the target what was not known when it emitted, where it asks for that."""
        finish = getattr(job.target, "finish", None)
        if finish is None:
            return
        folder = self.folder / job.target.name
        written = replace(job.emitted, main=job.emitted.main.relative_to(folder))
        samples = [] if golden is None else golden_samples(written, golden, job.tolerance, job.bounds)
        about = Companions(
            asdict(self._model), self.source.classes(), samples[0] if samples else None, samples[1:]
        )
        finished = finish(written, folder, about)
        job.artifact = replace(finished, main=folder / finished.main)

    def _verify(self, job: _Job, golden: Golden) -> None:
        self.notify(f"Running {job.target.name} on {job.runtime.name}")
        verdict = self._verdict(job, golden)
        if not verdict.passed:
            verdict = self._with_other_options(job, golden, verdict)
        if not verdict.passed:
            raise self._failed(job, verdict)
        job.verdict = verdict

    def _verdict(self, job: _Job, golden: Golden) -> Verdict:
        return verify(job.emitted, job.runtime, golden, tolerance=job.tolerance, bounds=job.bounds)

    def _with_other_options(self, job: _Job, golden: Golden, verdict: Verdict) -> Verdict:
        """Write the artifact again with what the target proposes in place of options that did not pass, until one does."""
        propose = getattr(job.target, "proposals", None)
        if propose is None:
            return verdict
        for options in propose(self._lower(job), golden.inputs, job.options):
            self.notify(f"Writing {job.target.name} with more precision")
            job.options = dict(options)
            folder = self.folder / job.target.name
            shutil.rmtree(folder)
            self._emit(job, self._lower(job))
            self._complete(job, golden)
            verdict = self._verdict(job, golden)
            if verdict.passed:
                break
        return verdict

    def _failed(self, job: _Job, verdict: Verdict) -> VerificationError:
        self.notify("Looking for the layer that drifts")
        drift = self._drift(job, verdict)
        lines = [
            f"The {job.target.name} artifact does not compute what {verdict.reference} computes.",
            *verdict.problems,
        ]
        if drift is not None:
            lines.append(drift.sentence)
        error = VerificationError(
            "\n".join(lines),
            hint="No artifact was written. To have it all the same, export with --no-verify.",
        )
        error.verdict, error.drift = verdict, drift
        return error

    def _drift(self, job: _Job, verdict: Verdict) -> Drift | None:
        assert self.vectors is not None
        golden = self.vectors.layers()
        if golden is None:
            return None
        with tempfile.TemporaryDirectory(prefix="kexport-drift-") as scratch:

            def build(graph: Graph) -> Artifact:
                return _build(job, graph, Path(tempfile.mkdtemp(dir=scratch)))

            return localize(
                self._lower(job),
                golden,
                job.runtime,
                build,
                tolerance=verdict.tolerance,
                sample=verdict.worst.worst_sample,
                classes=self.source.classes(),
            )

    def _describe(self, jobs: Sequence[_Job], golden: Golden | None) -> ModelInfo:
        """Write golden.npz and the manifest."""
        self.notify("Writing the manifest")
        info = self._model
        entry = None
        if golden is not None:
            # What single layers computed was only wanted to find a drift.
            save_golden(replace(golden, layers={}), self.folder / GOLDEN)
            entry = {
                **file_entry(self.folder, Path(GOLDEN)),
                "samples": golden.samples,
                "meta": dict(golden.meta),
            }
        said = {name: lengths_text(lengths) for name, lengths in self.dimensions.items()}
        settings = {"batch": self.batch, "dimensions": said, **self.source.settings}
        targets = {job.target.name: self._target_entry(job) for job in jobs}
        write_manifest(self.folder, model=info, settings=settings, targets=targets, golden=entry)
        return info

    def _target_entry(self, job: _Job) -> dict[str, Any]:
        artifact = job.emitted
        return {
            "main": self._relative(job, artifact.main).as_posix(),
            "files": [file_entry(self.folder, self._relative(job, path)) for path in artifact.files],
            "signature": signature_entry(artifact.signature),
            "batch": self._batch(job),
            "options": plain_options(job.options),
            "details": dict(artifact.details),
            "runtime": job.target.runtime,
            "tolerance": job.tolerance,
            "bounds": job.bounds,
            "verified": job.verdict is not None,
            "reason": job.reason,
            "verification": None if job.verdict is None else job.verdict.to_dict(),
        }

    def _relative(self, job: _Job, path: Path) -> Path:
        """A path of the artifact relative to the export folder."""
        return (self.folder / job.target.name / path).relative_to(self.folder)

    def _result(self, job: _Job, destination: Path) -> TargetResult:
        artifact = job.emitted
        files = [self._relative(job, path) for path in artifact.files]
        unverified: Status = "unavailable" if self.vectors is not None else "skipped"
        return TargetResult(
            target=job.target.name,
            artifact=destination / self._relative(job, artifact.main),
            files=tuple(destination / path for path in files),
            nbytes=sum((self.folder / path).stat().st_size for path in files),
            signature=artifact.signature,
            options=plain_options(job.options),
            status="verified" if job.verdict is not None else unverified,
            reason=job.reason,
            verdict=job.verdict,
            details=artifact.details,
        )


def _images(jobs: Sequence[_Job], graph: Graph) -> dict[str, Pixels]:
    """The inputs that are images in some artifact; a target that refuses says so when it writes."""
    found: dict[str, Pixels] = {}
    for job in jobs:
        images = getattr(job.target, "images", None)
        with suppress(KexportError):
            found.update({} if images is None else images(graph, job.options))
    return found


def _build(job: _Job, graph: Graph, folder: Path) -> Artifact:
    artifact = job.target.emit(job.target.legalize(graph, job.options), folder, job.options)
    return replace(artifact, main=folder / artifact.main)
