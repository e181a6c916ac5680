"""A private CPython 2.7: Debian's packages, unpacked beside the environment. The system's packages are not touched."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from kexport.errors import MissingDependencyError

#: The last Debian that has it.
_RELEASE: Final = "bullseye"
_PACKAGES: Final = (
    *["python2.7-minimal", "libpython2.7-minimal", "libpython2.7-stdlib", "libpython2.7"],
    *["libssl1.1", "libffi7"],
)
_PIP: Final = "20.3.4"

_ELSEWHERE: Final = (
    "A private CPython 2.7 is made from Debian's packages, on Debian and Ubuntu, 64-bit x86. Elsewhere give an interpreter of your own "
    "(--python /path/to/python2.7), or record a golden file where the model was trained: kexport record --print-script."
)


def unpack(folder: Path) -> tuple[tuple[str, ...], dict[str, str]]:
    """The command that starts it, and the variables that it needs.

    Raises:
        MissingDependencyError: this is no Debian, or its packages can't be fetched.
    """
    programs = [program for program in ("apt-get", "dpkg") if shutil.which(program) is None]
    if programs or platform.machine() not in {"x86_64", "AMD64"}:
        missing = f"{' and '.join(programs)} is missing" if programs else f"this is {platform.machine()}"
        raise MissingDependencyError(f"CPython 2.7 can't be made here: {missing}.", hint=_ELSEWHERE)
    folder.mkdir(parents=True)
    downloads = folder / "debs"
    downloads.mkdir()
    apt = _configured(folder / "apt")
    _run([*apt, "update"], "Debian's package lists can't be fetched")
    _run([*apt, "download", *_PACKAGES], "CPython 2.7 can't be fetched", downloads)
    root = folder / "root"
    for package in sorted(downloads.glob("*.deb")):
        _run(["dpkg", "-x", str(package), str(root)], f"{package.name} can't be unpacked")
    shutil.rmtree(downloads)
    shutil.rmtree(folder / "apt")
    libraries = os.pathsep.join([str(root / "usr/lib/x86_64-linux-gnu"), str(root / "lib/x86_64-linux-gnu")])
    return (str(root / "usr/bin/python2.7"),), {"LD_LIBRARY_PATH": libraries}


def _configured(folder: Path) -> list[str]:
    """apt-get with a configuration, lists and a state of its own."""
    for part in ("lists/partial", "cache/archives/partial"):
        (folder / part).mkdir(parents=True)
    (folder / "status").touch()
    (folder / "sources.list").write_text(
        f"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {_mirror()} {_RELEASE} main\n"
    )
    settings = {
        "Dir::Etc::sourcelist": folder / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State::lists": folder / "lists",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder / "cache",
        # An unprivileged helper could not read these folders.
        "APT::Sandbox::User": "root",
    }
    return ["apt-get", "-qq", *(f"-o{key}={value}" for key, value in settings.items())]


def _mirror() -> str:
    """Where the system gets its Debian packages; Debian's own mirror where it does not say."""
    for path in (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list")):
        lines = path.read_text("utf-8", "replace").splitlines() if path.is_file() else []
        for line in lines:
            words = line.split()
            if line.startswith("URIs:") and len(words) > 1:
                return words[1]
            address = next((word for word in words[1:3] if "://" in word), "")
            if line.startswith("deb ") and "debian" in address and "security" not in address:
                return address
    return "https://deb.debian.org/debian"


def pip(folder: Path, interpreter: Sequence[str]) -> tuple[str, ...]:
    """The command that runs pip on it: pip's last wheel for it, which needs no installation.

    Raises:
        MissingDependencyError: it can't be fetched.
    """
    folder.mkdir()
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--python-version", "2.7", "--only-binary", ":all:", "--dest", str(folder), f"pip=={_PIP}"]
    _run(command, f"pip {_PIP} can't be fetched from PyPI")
    (wheel,) = folder.glob("pip-*.whl")
    # A wheel is an archive that Python runs a module of.
    return (*interpreter, str(wheel / "pip"))


def _run(command: Sequence[str], problem: str, folder: Path | None = None) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace", cwd=folder)
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise MissingDependencyError(f"{problem}: {' | '.join(lines[-2:])[:400]}", hint=_ELSEWHERE)
