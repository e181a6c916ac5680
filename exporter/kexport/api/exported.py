"""An export folder, read back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kexport.api.exporting import GOLDEN
from kexport.api.manifest import file_sha256
from kexport.api.references import read_golden
from kexport.contracts import Pixels, Port, Signature
from kexport.errors import NotVerifiedError, UsageError
from kexport.ir import Dim, TensorType, symbol
from kexport.reference import Golden


def own_golden(folder: Path, manifest: Mapping[str, Any]) -> Golden:
    """The golden vectors of an export folder.

    Raises:
        NotVerifiedError: it has none, or others than the manifest says.
    """
    entry = manifest["golden"]
    if entry is None:
        raise NotVerifiedError(
            f"{str(folder)!r} holds no golden vectors: it was exported without verification.",
            hint="Give some with --golden; `kexport record MODEL` makes them.",
        )
    problem = damage(folder, [entry])
    if problem:
        raise NotVerifiedError(
            f"The golden vectors can't be used: {problem}", hint=f"Export again, or restore {GOLDEN}."
        )
    return read_golden(folder / GOLDEN)


def damage(folder: Path, files: Sequence[Mapping[str, Any]]) -> str:
    """How the first file that is not what the manifest says differs; empty where all are."""
    for file in files:
        path = inside(folder, file["path"])
        if not path.is_file():
            return f"{path} is missing."
        if file_sha256(path) != file["sha256"]:
            return f"{path} was changed after the export: its SHA-256 is not the manifest's."
    return ""


def inside(folder: Path, name: str) -> Path:
    """A path that the manifest names; it may not lead out of the folder."""
    path = Path(name)
    if path.is_absolute() or ".." in path.parts:
        raise UsageError(f"The manifest of {str(folder)!r} names a file outside the folder: {name!r}")
    return folder / path


def signature(entry: Mapping[str, Any]) -> Signature:
    """A signature of the manifest."""
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
    pixels = _pixels(entry["pixels"]) if "pixels" in entry else None
    return Port(
        entry["name"], TensorType(entry["dtype"], shape), entry.get("artifact_name", ""), axes, pixels
    )


def _pixels(entry: Mapping[str, Any]) -> Pixels:
    bias = tuple(float(number) for number in entry["bias"])
    return Pixels(float(entry["scale"]), bias, int(entry["axis"]), bool(entry["reverse"]))
