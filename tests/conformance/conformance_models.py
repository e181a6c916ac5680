"""The folder with the conformance models: made once for a version of the table and of the writers, shared by all test processes."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE = HERE.parent.parent / ".cache" / "conformance"
WRITERS = {"keras3": ("keras3-tensorflow", "keras3-jax"), "keras2": ("keras2",)}
PACKAGES = {"keras3": ("keras", "tensorflow", "jax"), "keras2": ("tf_keras", "tensorflow")}
PATIENCE_S = 1200


def model_folder(writer: str) -> Path:
    """The folder of ``writer``'s models (``keras3``, ``keras2``); made now if it is not there yet."""
    digest = hashlib.sha256()
    for source in ("cases.py", "make_models.py"):
        digest.update((HERE / source).read_bytes())
    digest.update(" ".join(f"{name} {version(name)}" for name in PACKAGES[writer]).encode())
    folder = CACHE / f"{writer}-{digest.hexdigest()[:16]}"
    if not folder.exists():
        _make_once(writer, folder)
    return folder


def _make_once(writer: str, folder: Path) -> None:
    """Make the folder, or wait for the process that is making it; it appears whole."""
    CACHE.mkdir(parents=True, exist_ok=True)
    claim = folder.with_suffix(".claim")
    stop = time.monotonic() + PATIENCE_S
    while not folder.exists():
        try:
            os.close(os.open(claim, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            if time.monotonic() > stop or time.time() - claim.stat().st_mtime > PATIENCE_S:
                raise RuntimeError(f"Another process was to make {folder}. Remove {claim} and try again.") from None
            time.sleep(0.5)
            continue
        try:
            _make(writer, folder)
        finally:
            claim.unlink()


def _make(writer: str, folder: Path) -> None:
    part = folder.with_suffix(f".part{os.getpid()}")
    part.mkdir()
    try:
        for program in WRITERS[writer]:
            command = [sys.executable, str(HERE / "make_models.py"), program, str(part)]
            done = subprocess.run(command, check=False, capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-4000:]}")
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
