"""A private CPython 2.7: Debian's packages, unpacked beside the environment. The system's packages are not touched."""

from __future__ import annotations

import platform
import shutil
from pathlib import Path
from typing import Final

from kexport.backends.interpreters import joined
from kexport.backends.processes import Runner, failure
from kexport.errors import MissingDependencyError

#: The last Debian that has it.
_RELEASE: Final = "bullseye"
_PACKAGES: Final = (
    *["python2.7-minimal", "libpython2.7-minimal", "libpython2.7-stdlib", "libpython2.7"],
    *["libssl1.1", "libffi7"],
)
_KEYS: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
#: Where old releases are, besides the mirror that the system uses: Debian moves them to its archive.
_MIRRORS: Final = ("https://deb.debian.org/debian", "https://archive.debian.org/debian")

ELSEWHERE: Final = (
    "A private CPython 2.7 is made from Debian's packages, on Debian and Ubuntu, 64-bit x86. Elsewhere give an interpreter of your own "
    "(--python /path/to/python), a container (--command), or record a golden file where the model was trained: "
    "kexport record --print-script."
)


def obstacle() -> str:
    """Why it can't be made here; empty where it can."""
    missing = [program for program in ("apt-get", "dpkg") if shutil.which(program) is None]
    if missing:
        return f"{' and '.join(missing)} {'are' if len(missing) > 1 else 'is'} missing"
    return "" if platform.machine() in {"x86_64", "AMD64"} else f"this is {platform.machine()}"


def check() -> None:
    """See that it can be made here.

    Raises:
        MissingDependencyError: this is no Debian, or lacks something.
    """
    why = obstacle()
    if why:
        raise MissingDependencyError(f"CPython 2.7 can't be made here: {why}.", hint=ELSEWHERE)
    if not _KEYS.exists():
        raise MissingDependencyError(
            f"CPython 2.7 can't be made here: Debian's keys are missing ({_KEYS}).",
            hint="On Ubuntu: apt install debian-archive-keyring.",
        )


def unpack(folder: Path, run: Runner) -> tuple[tuple[str, ...], dict[str, str]]:
    """The command that starts it, and the variables that it needs.

    Raises:
        MissingDependencyError: its packages can't be fetched.
    """
    downloads = folder / "debs"
    downloads.mkdir(parents=True)
    _download(downloads, folder / "apt", run)
    root = folder / "root"
    for package in sorted(downloads.glob("*.deb")):
        done = run(["dpkg", "-x", str(package), str(root)])
        if done.returncode:
            raise failure(done, f"{package.name} can't be unpacked", ELSEWHERE)
    shutil.rmtree(downloads)
    shutil.rmtree(folder / "apt")
    libraries = joined(root / "usr/lib/x86_64-linux-gnu", root / "lib/x86_64-linux-gnu")
    return (str(root / "usr/bin/python2.7"),), {"LD_LIBRARY_PATH": libraries}


def _download(folder: Path, state: Path, run: Runner) -> None:
    """Fetch the packages from the first mirror that has them."""
    for mirror in dict.fromkeys([_mirror(), *_MIRRORS]):
        apt = _configured(state, mirror)
        done = run([*apt, "update"])
        if done.returncode == 0:
            done = run([*apt, "download", *_PACKAGES], folder=folder)
        if done.returncode == 0:
            return
        if mirror == _mirror():
            first = done
    raise failure(first, "Debian's packages of CPython 2.7 can't be fetched", ELSEWHERE)


def _configured(folder: Path, mirror: str) -> list[str]:
    """apt-get with a configuration, lists and a state of its own."""
    shutil.rmtree(folder, ignore_errors=True)
    for part in ("lists/partial", "cache/archives/partial"):
        (folder / part).mkdir(parents=True)
    (folder / "status").touch()
    (folder / "sources.list").write_text(f"deb [signed-by={_KEYS}] {mirror} {_RELEASE} main\n")
    settings = {
        "Dir::Etc::sourcelist": folder / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State::lists": folder / "lists",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder / "cache",
        # An unprivileged helper could not read these folders.
        "APT::Sandbox::User": "root",
        # A list that can't be had is an error, not a warning.
        "APT::Update::Error-Mode": "any",
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
    return _MIRRORS[0]
