"""Models that tests need are made by scripts in processes of their own, once, into the project's cache.

A folder of models is named after everything that it depends on (the scripts' text, the writers' versions), appears whole, and
is shared by all test processes and later runs.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

CACHE = Path(__file__).resolve().parents[2] / ".cache"
PATIENCE_S = 1200


def made(
    name: str,
    *,
    scripts: Sequence[Path],
    packages: Sequence[str],
    commands: Sequence[Sequence[str]],
    also: str = "",
) -> Path:
    """The folder that ``commands`` fill: each is a Python script with arguments, and the folder is appended to them.

    Args:
        name: the start of the folder's name.
        scripts: files whose text decides whether the folder is still good.
        packages: installed packages whose versions decide it too.
        also: whatever else decides it.
    """
    digest = hashlib.sha256()
    for script in scripts:
        digest.update(script.read_bytes())
    digest.update(" ".join(f"{package} {version(package)}" for package in packages).encode())
    digest.update(also.encode())
    folder = CACHE / "made" / f"{name}-{digest.hexdigest()[:16]}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    claim = folder.with_suffix(".claim")
    stop = time.monotonic() + PATIENCE_S
    while not folder.exists():
        if _claimed(claim):
            try:
                _make(folder, commands)
            finally:
                claim.unlink()
        elif time.monotonic() > stop:
            raise RuntimeError(f"Another process was to make {folder}. Remove {claim} and try again.")
        else:
            time.sleep(0.5)
    return folder


def _claimed(claim: Path) -> bool:
    """Whether this process now holds the claim; one that a dead process left behind is taken over."""
    try:
        handle = os.open(claim, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    except FileExistsError:
        try:
            owner = claim.read_text()
            if owner and not Path(f"/proc/{owner}").exists() and Path("/proc/self").exists():
                claim.unlink()
        except FileNotFoundError:
            pass
        return False
    os.write(handle, str(os.getpid()).encode())
    os.close(handle)
    return True


def _make(folder: Path, commands: Sequence[Sequence[str]]) -> None:
    part = folder.with_suffix(f".part{os.getpid()}")
    part.mkdir()
    environment = os.environ | {
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "JAX_PLATFORMS": "cpu",
    }
    try:
        for command in commands:
            whole = [sys.executable, *command, str(part)]
            done = subprocess.run(whole, check=False, capture_output=True, text=True, env=environment)
            if done.returncode:
                raise RuntimeError(f"{' '.join(whole)} failed:\n{done.stderr[-4000:]}")
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
