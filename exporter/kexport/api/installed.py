"""What is installed here: targets, runtimes, and what can compute references."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from kexport import __version__, plugins
from kexport.errors import KexportError

if TYPE_CHECKING:
    from kexport.contracts import TargetOption


@dataclass(frozen=True)
class TargetRow:
    """An installed target. ``problem`` says why it can't be used, ``runtime_problem`` why its artifacts can't be run."""

    name: str
    description: str = ""
    options: tuple[TargetOption, ...] = ()
    runtime: str = ""
    runtime_version: str = ""
    runtime_problem: str = ""
    problem: str = ""


def targets() -> list[TargetRow]:
    """Every installed target, by name."""
    return [_target(name) for name in plugins.target_names()]


def _target(name: str) -> TargetRow:
    try:
        target = plugins.target(name)
    except KexportError as error:
        return TargetRow(name, problem=str(error).replace("\n", " "))
    try:
        runtime = plugins.runtime(target.runtime)
        why = runtime.available()
        runs = "" if why else runtime.version()
    except KexportError as error:
        why, runs = str(error).replace("\n", " "), ""
    return TargetRow(name, target.description, tuple(target.options), target.runtime, runs, why or "")


@dataclass(frozen=True)
class PackageRow:
    """A package: what it is for, its version (empty where it is missing) and the command that installs it."""

    name: str
    version: str
    purpose: str
    install: str = ""


@dataclass(frozen=True)
class BackendRow:
    """An environment of a framework that models were trained in: its versions, empty where it is not set up, and the way to get it."""

    name: str
    title: str
    versions: str
    install: str


@dataclass(frozen=True)
class DoctorResult:
    """``ready``: a model can be exported to at least one target, and verified, here. ``backends`` may be missing for that."""

    rows: tuple[PackageRow, ...]
    backends: tuple[BackendRow, ...]
    ready: bool
    summary: str


#: Package, what it is for, the extra that brings it ("" for what kexport always needs).
_PACKAGES = (
    ("numpy", "arrays", ""),
    ("h5py", "reads .h5, .hdf5 and .keras", ""),
    ("flatbuffers", "writes .tflite", ""),
    ("keras", "reference outputs, Keras 3 files", "tensorflow"),
    ("tensorflow", "backend of keras and tf_keras", "tensorflow"),
    ("tf_keras", "reference outputs, Keras 2 files", "tensorflow"),
    ("jax", "backend of keras", "jax"),
    ("torch", "backend of keras", "torch"),
    ("ai-edge-litert", "runs .tflite", "litert"),
    ("onnx", "writes .onnx", "onnx"),
    ("onnxruntime", "runs .onnx and .ort; kernels of the Core ML interpreter", "onnx"),
    ("coremltools", "runs Core ML packages on a Mac", "coreml"),
    ("grpcio", "asks TF Serving over gRPC", "serving"),
    ("tensorflow-serving-api", "what is asked over gRPC", "serving"),
)
_BACKENDS = ("tensorflow", "jax", "torch")


def doctor() -> DoctorResult:
    """Look for every package that kexport can use; nothing heavy is imported."""
    rows = [
        PackageRow("python", platform.python_version(), "3.11 or later"),
        PackageRow("kexport", __version__, "this program"),
    ]
    rows += [
        PackageRow(
            name,
            _version(name),
            purpose,
            f"pip install 'kexport[{extra}]'" if extra else f"pip install {name}",
        )
        for name, purpose, extra in _PACKAGES
    ]
    found = {row.name for row in rows if row.version}
    missing = [row.install for row in rows if not row.version and not row.install.endswith("]'")]
    runnable = [row.name for row in targets() if not row.problem and not row.runtime_problem]
    reference = ("keras" in found and any(name in found for name in _BACKENDS)) or {
        "tf_keras",
        "tensorflow",
    } <= found
    if not runnable:
        missing += [row.runtime_problem or row.problem for row in targets()]
    if not reference:
        missing.append(
            "pip install 'kexport[tensorflow]' (or jax, or torch) for reference outputs, or use --golden"
        )
    summary = (
        f"Ready: exports to {', '.join(runnable)} can be verified here."
        if not missing
        else "\n".join(["To export and verify here:", *(f"  {way}" for way in missing)])
    )
    return DoctorResult(tuple(rows), tuple(_backend_rows()), not missing, summary)


def _backend_rows() -> Iterator[BackendRow]:
    from kexport.backends import RECIPES, environment

    for name, recipe in RECIPES.items():
        found = environment(name)
        yield BackendRow(name, recipe.title, found.versions if found else "", f"kexport backend setup {name}")


def _version(name: str) -> str:
    for candidate in (name, f"{name}-cpu"):
        try:
            return version(candidate)
        except PackageNotFoundError:
            continue
    return ""
