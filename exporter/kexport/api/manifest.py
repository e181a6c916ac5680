"""``manifest.json``: what is in an export folder, made from what, and how it was verified.

The schema is documented in docs/cli.md. The same export gives the same bytes: no time, host or folder is in it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kexport import __version__
from kexport.api.destination import MANIFEST
from kexport.errors import UsageError

if TYPE_CHECKING:
    from kexport.api.results import ModelInfo
    from kexport.contracts import Port, Signature

FORMAT_VERSION = 1


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def model_sha256(path: Path, parts: Sequence[Path] = ()) -> str:
    """The SHA-256 of a model's file; of a folder, or of a file with ``parts`` beside it, that of what ``sha256sum`` prints for all
    of them in the order of their names."""
    folder, files = path.parent, [path, *parts]
    if path.is_dir():
        folder, files = path, [file for file in path.rglob("*") if file.is_file()]
    if len(files) == 1 and not path.is_dir():
        return file_sha256(path)
    names = sorted((file.relative_to(folder).as_posix(), file) for file in files)
    lines = "".join(f"{file_sha256(file)}  {name}\n" for name, file in names)
    return hashlib.sha256(lines.encode()).hexdigest()


def file_entry(folder: Path, path: Path) -> dict[str, Any]:
    """A file of the export: its path in ``folder``, size and SHA-256."""
    return {
        "path": path.as_posix(),
        "bytes": (folder / path).stat().st_size,
        "sha256": file_sha256(folder / path),
    }


def port_entry(port: Port) -> dict[str, Any]:
    """An input or output: unknown dimensions are text (``batch``)."""
    entry: dict[str, Any] = {
        "name": port.name,
        "dtype": port.type.dtype,
        "shape": plain_shape(port.type.shape),
    }
    pixels = None if port.pixels is None else asdict(port.pixels)
    more = {"artifact_name": port.artifact_name, "axes": list(port.axes), "pixels": pixels}
    return entry | {key: value for key, value in more.items() if value}


def plain_shape(shape: Sequence[object]) -> list[int | str]:
    """Integers, and the text of symbolic dimensions."""
    return [dim if isinstance(dim, int) else str(dim) for dim in shape]


def signature_entry(signature: Signature) -> dict[str, Any]:
    """A signature as plain data."""
    return {
        "name": signature.name,
        "inputs": [port_entry(port) for port in signature.inputs],
        "outputs": [port_entry(port) for port in signature.outputs],
    }


def write_manifest(
    folder: Path,
    *,
    model: ModelInfo,
    settings: Mapping[str, Any],
    targets: Mapping[str, Mapping[str, Any]],
    golden: Mapping[str, Any] | None,
) -> None:
    """Write ``manifest.json`` into ``folder``."""
    manifest = {
        "format": FORMAT_VERSION,
        "kexport": __version__,
        "model": asdict(model),
        "settings": settings,
        "targets": targets,
        "golden": golden,
    }
    (folder / MANIFEST).write_text(canonical(manifest), "utf-8")


def canonical(data: object) -> str:
    """JSON text that depends on nothing but ``data``: sorted keys, two spaces, a newline at the end."""
    return (
        json.dumps(data, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False, default=_plain) + "\n"
    )


def _plain(value: object) -> object:
    if isinstance(value, Path):
        return value.as_posix()
    if isinstance(value, Mapping):
        return dict(value)
    # NumPy's scalars; anything else is a bug of the target that said it.
    item = getattr(value, "item", None)
    if item is None:
        raise TypeError(f"A manifest holds plain data. Received: {value!r}")
    return item()


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of an export folder.

    Raises:
        UsageError: the folder is not an export, or one of a newer kexport.
    """
    path = folder / MANIFEST
    hint = "Give the folder that `kexport --target … MODEL` wrote."
    if path.exists() and not path.is_file():
        raise UsageError(f"{str(path)!r} is not a regular file.", hint=hint)
    try:
        manifest = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(
            f"{str(folder)!r} is not an export: {str(path)!r}: {error.strerror}.", hint=hint
        ) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{str(path)!r} is damaged: {error}.", hint=hint) from error
    version = manifest.get("format") if isinstance(manifest, dict) else None
    if version != FORMAT_VERSION:
        raise UsageError(
            f"This kexport reads manifests of format {FORMAT_VERSION}. Received: {str(path)!r} of format {version!r}",
            hint=hint,
        )
    assert isinstance(manifest, dict)
    return manifest
