"""Runs an artifact on golden inputs and compares what it computes with the reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from kexport.contracts import Artifact, Port, Runtime, Sample
from kexport.errors import MissingDependencyError, UsageError, VerificationError
from kexport.ir import Array, dims, dtypes
from kexport.reference.golden import Golden
from kexport.verification.compare import OutputRow, compare, value_range
from kexport.verification.verdict import AcceleratorRow, Verdict

#: As much of the distance between two pixels may golden inputs be off.
_PIXEL = 1e-2


def verify(
    artifact: Artifact,
    runtime: Runtime,
    golden: Golden,
    *,
    tolerance: float,
    bounds: Mapping[str, float] | None = None,
) -> Verdict:
    """Run ``artifact`` on every golden sample and compare each output.

    Args:
        artifact: ``main`` is where the runtime finds it.
        runtime: runs it.
        golden: inputs and reference outputs of the model (under other names: :meth:`Golden.renamed`).
        tolerance: of the error relative to an output's range (:mod:`kexport.verification.compare`).
        bounds: by output, the largest magnitude its function can give (``output_bounds``).

    Raises:
        MissingDependencyError: the runtime can't run here.
        UsageError: the golden vectors are not of this signature.
        VerificationError: the runtime refuses the artifact, or its outputs have other names.
    """
    signature = artifact.signature
    golden = golden.renamed(
        [port.name for port in signature.inputs], [port.name for port in signature.outputs]
    )

    def rows(accelerator: str | None, allowed: float) -> tuple[OutputRow, ...]:
        computed = run_artifact(artifact, runtime, golden.inputs, accelerator)
        return tuple(
            compare(
                port.name,
                golden.outputs[port.name],
                computed[port.name],
                tolerance=allowed,
                bound=(bounds or {}).get(port.name, 0.0),
            )
            for port in signature.outputs
        )

    main = rows(None, tolerance)
    more: Mapping[str, float] = getattr(runtime, "accelerators", {})
    accelerators = tuple(
        _accelerator(name, partial(rows, name, max(tolerance, own))) for name, own in more.items()
    )
    return Verdict(main, tolerance, golden.samples, runtime.version(), golden.computed_by, accelerators)


def _accelerator(name: str, rows: Callable[[], tuple[OutputRow, ...]]) -> AcceleratorRow:
    try:
        found = rows()
    except VerificationError as error:
        return AcceleratorRow(name, None, error.message)
    problems = [f"Output {row.name!r}: {row.problem}." for row in found if row.problem]
    return AcceleratorRow(name, max(row.max_rel_error for row in found), " ".join(problems))


def run_artifact(
    artifact: Artifact, runtime: Runtime, inputs: Mapping[str, Array], accelerator: str | None = None
) -> dict[str, Array]:
    """The outputs of ``artifact`` for all samples, by name; runs them in chunks of the artifact's batch, the last
    one filled up with its last sample; on an accelerator, where one is named. Raises as :func:`verify` does."""
    why = runtime.available()
    if why is not None:
        raise MissingDependencyError(f"The artifact can't be run here: {why}")
    given = {port.name: _fitting(port, inputs) for port in artifact.signature.inputs}
    samples = len(next(iter(given.values())))
    batch = _batch(artifact, samples)
    chunks = []
    for start in range(0, samples, batch):
        chunk = {name: _filled(array[start : start + batch], batch) for name, array in given.items()}
        outputs = _run(artifact, runtime, chunk, accelerator)
        wanted = min(batch, samples - start)
        chunks.append({name: array[:wanted] for name, array in outputs.items()})
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}


def _run(
    artifact: Artifact, runtime: Runtime, inputs: Mapping[str, Array], accelerator: str | None
) -> dict[str, Array]:
    # Runtimes without accelerators have no such argument.
    more: dict[str, Any] = {} if accelerator is None else {"accelerator": accelerator}
    try:
        outputs = runtime.run(artifact.main, inputs, **more)
    except ChildProcessError as error:
        raise MissingDependencyError(f"The artifact can't be run here: {error}") from error
    except (RuntimeError, ValueError) as error:
        # What runtimes raise for a file they don't accept.
        raise VerificationError(f"{runtime.version()} does not run the artifact: {error}") from error
    names = {port.name: _name_among(outputs, port) for port in artifact.signature.outputs}
    missing = [name for name in names.values() if name not in outputs]
    if missing:
        raise VerificationError(
            f"The artifact has outputs {', '.join(outputs)} in {runtime.version()}; {', '.join(missing)} is missing."
        )
    return {
        port.name: _in_model(port, np.asarray(outputs[names[port.name]]))
        for port in artifact.signature.outputs
    }


def _name_among(outputs: Mapping[str, Array], port: Port) -> str:
    """What a runtime that knows the file alone calls the output."""
    return port.artifact_name if port.artifact_name and port.name not in outputs else port.name


def _in_model(port: Port, array: Array) -> Array:
    """With the model's axes; what has another rank than the port is compared as it is, and found wrong."""
    return port.to_model(array) if array.ndim == len(port.axes) else array


def _fitting(port: Port, inputs: Mapping[str, Array]) -> Array:
    if port.name not in inputs:
        raise UsageError(f"The golden vectors have no input {port.name!r}. Received: {', '.join(inputs)}")
    array, wanted = np.asarray(inputs[port.name]), port.type
    if port.pixels is not None and array.ndim == 4:
        return _images(port, array)
    if port.axes and array.ndim == len(port.axes):
        array = np.ascontiguousarray(port.to_artifact(array))
    tail = wanted.shape[1:]
    fits = array.ndim == len(wanted.shape) and all(
        not isinstance(dim, int) or dim == size for dim, size in zip(tail, array.shape[1:], strict=True)
    )
    if not fits:
        raise UsageError(
            f"Input {port.name!r} of the artifact has shape {dims.format_shape(wanted.shape)}. "
            f"Received golden inputs of {array.shape}"
        )
    if wanted.dtype == "string":
        return array
    cast: Array = array.astype(dtypes.numpy_dtype(wanted.dtype))
    if array.dtype.kind in "iub" and not np.array_equal(cast, array):
        raise UsageError(
            f"Input {port.name!r} of the artifact is {wanted.dtype}, which can't hold the golden inputs."
        )
    return cast


def _images(port: Port, numbers: Array) -> Array:
    """Golden inputs as the images that the artifact makes them of."""
    assert port.pixels is not None
    images = port.to_artifact(numbers)
    off = float(np.abs(port.pixels.numbers(images) - numbers).max(initial=0))
    if off > _PIXEL * abs(port.pixels.scale):
        raise UsageError(
            f"Input {port.name!r} of the artifact is an image, and the golden inputs are none: they are up to {off:.3g} away from "
            f"{port.pixels.scale} * pixel + {list(port.pixels.bias)}.",
            hint="Verify with --samples that are made of images like that, or without any.",
        )
    return images


def golden_sample(
    artifact: Artifact, golden: Golden, tolerance: float, bounds: Mapping[str, float]
) -> Sample:
    """The first golden samples, as many as the artifact's batch, in the artifact's types; raises as :func:`verify` does."""
    return golden_samples(artifact, golden, tolerance, bounds)[0]


def golden_samples(
    artifact: Artifact, golden: Golden, tolerance: float, bounds: Mapping[str, float]
) -> list[Sample]:
    """All golden samples in the artifact's types, as many at a time as its batch, the last ones filled up with the last; an output's range
    is that of them all, as in :func:`verify`, which raises the same."""
    signature = artifact.signature
    golden = golden.renamed(
        [port.name for port in signature.inputs], [port.name for port in signature.outputs]
    )
    batch = _batch(artifact, golden.samples)
    inputs = {port.name: _fitting(port, golden.inputs) for port in signature.inputs}
    outputs = {port.name: golden.outputs[port.name] for port in signature.outputs}
    ranges = {
        name: value_range(array.astype(np.float64)) if array.dtype.kind in "biufc" else 1.0
        for name, array in outputs.items()
    }

    def cut(arrays: Mapping[str, Array], start: int) -> dict[str, Array]:
        return {name: _filled(array[start : start + batch], batch) for name, array in arrays.items()}

    return [
        Sample(
            inputs=cut(inputs, start),
            outputs=cut(outputs, start),
            computed_by=golden.computed_by,
            tolerance=tolerance,
            ranges=ranges,
            bounds={name: bound for name, bound in bounds.items() if name in outputs},
        )
        for start in range(0, golden.samples, batch)
    ]


def _batch(artifact: Artifact, samples: int) -> int:
    """The fixed batch of the artifact; all samples where it is dynamic."""
    for port in artifact.signature.inputs:
        if port.type.shape and isinstance(port.type.shape[0], int):
            return port.type.shape[0]
    return samples


def _filled(array: Array, batch: int) -> Array:
    missing = batch - len(array)
    return array if missing <= 0 else np.concatenate([array, np.repeat(array[-1:], missing, axis=0)])
