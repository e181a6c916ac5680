"""Paths that files of a package name: none leads out of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kexport_runtimes.coreml.errors import PackageError


def within(folder: Path, name: Any) -> Path:
    """The file called ``name``, relative to a folder of the package, with links followed.

    Raises:
        PackageError: it is no path, or it leads out of the folder.
    """
    if not isinstance(name, str):
        raise PackageError(f"Paths are text. Received: {name!r}")
    folder = folder.resolve()
    try:
        path = (folder / name).resolve()
    except (OSError, ValueError, RuntimeError) as error:
        raise PackageError(f"The path {name!r} can't be followed: {error}") from error
    if not path.is_relative_to(folder):
        raise PackageError(f"Paths stay within the package. Received: {name!r}")
    return path
