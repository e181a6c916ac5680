"""The Python of an environment: a private one, the one that runs kexport, or one of the user's; and the pip that installs for it."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from kexport.backends.processes import Runner, failure
from kexport.errors import MissingDependencyError

#: pip's last version for Python 2.7.
_PIP27: Final = "20.3.4"

_NO_VENV: Final = (
    "On Debian and Ubuntu: apt install python3-venv (for another Python, its own: python3.11-venv)."
)


@dataclass(frozen=True)
class Interpreter:
    """A Python to install packages for.

    Attributes:
        command: what starts it.
        version: ``3.6``.
        pip: what starts its pip.
        site: where its packages go.
        target: whether they are put there by pip's ``--target``, and found by PYTHONPATH: where it is no virtual environment.
        variables: that its processes need.
    """

    command: tuple[str, ...]
    version: str
    pip: tuple[str, ...]
    site: Path
    target: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)


def path_of(python: str) -> str:
    """The interpreter that the user means: a program, or a folder with an environment (conda's, or a virtual one).

    Raises:
        MissingDependencyError: there is none.
    """
    folder = Path(python).expanduser()
    if folder.is_dir():
        inside = [folder / "bin" / "python", folder / "python.exe", folder / "Scripts" / "python.exe"]
        found = next((str(path) for path in inside if path.exists()), None)
    else:
        found = shutil.which(str(folder))
    if found is None:
        raise MissingDependencyError(
            f"{python} is no Python.",
            hint="--python takes an interpreter, or the folder of a conda environment.",
        )
    return found


def version_of(python: str, run: Runner) -> str:
    """``3.6`` of the program ``python``.

    Raises:
        MissingDependencyError: it is none that runs.
    """
    done = run([python, "-c", "import sys; print('kexport %d.%d' % sys.version_info[:2])"])
    found = next((m for line in done.lines if (m := re.fullmatch(r"kexport (\d+\.\d+)", line))), None)
    if done.returncode or found is None:
        raise MissingDependencyError(
            f"{python} is no Python that runs: {done.last}.", hint="Give an interpreter with --python."
        )
    return found[1]


def virtual(folder: Path, python: str, version: str, run: Runner) -> Interpreter:
    """A virtual environment of ``python``.

    Raises:
        MissingDependencyError: it can make none.
    """
    done = run([python, "-m", "venv", str(folder)])
    if done.returncode:
        raise failure(done, f"A virtual environment of {python} can't be made", _NO_VENV)
    windows = sys.platform == "win32"
    command = (str(folder / ("Scripts/python.exe" if windows else "bin/python")),)
    site = folder / ("Lib" if windows else f"lib/python{version}") / "site-packages"
    return Interpreter(command, version, (*command, "-m", "pip"), site)


def with_site(
    folder: Path, command: tuple[str, ...], run: Runner, variables: Mapping[str, str] | None = None
) -> Interpreter:
    """A Python 2.7, which knows no virtual environments: its packages lie in a folder of their own.

    Raises:
        MissingDependencyError: its pip can't be fetched.
    """
    site = folder / "site"
    wheels = folder / "pip"
    wheels.mkdir()
    asked = ["--python-version", "2.7", "--only-binary", ":all:", "--dest", str(wheels), f"pip=={_PIP27}"]
    done = run(
        [*_own_pip(folder / "helper", run), "download", "--disable-pip-version-check", "--no-deps", *asked]
    )
    if done.returncode:
        raise failure(done, f"pip {_PIP27} can't be fetched", "It comes from PyPI.")
    shutil.rmtree(folder / "helper", ignore_errors=True)
    (wheel,) = wheels.glob("pip-*.whl")
    # A wheel is an archive that Python runs a module of.
    pip = (*command, str(wheel / "pip"))
    return Interpreter(
        command, "2.7", pip, site, target=True, variables={**(variables or {}), "PYTHONPATH": str(site)}
    )


def _own_pip(folder: Path, run: Runner) -> tuple[str, ...]:
    """A pip for today's Python; some environments come without one."""
    if find_spec("pip") is not None:
        return (sys.executable, "-m", "pip")
    return virtual(folder, sys.executable, f"{sys.version_info.major}.{sys.version_info.minor}", run).pip


def joined(*paths: str | Path | None) -> str:
    """Folders in one variable."""
    return os.pathsep.join(str(path) for path in paths if path)
