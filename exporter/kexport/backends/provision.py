"""Makes an environment, whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from kexport.backends import mpi, python27
from kexport.backends.recipes import Recipe, recipe_of
from kexport.backends.store import MARKER, Environment, environment, folder_of
from kexport.errors import MissingDependencyError

#: Called with what begins.
Progress = Callable[[str], None]


def setup(name: str, *, python: str | None = None, progress: Progress = lambda _: None) -> Environment:
    """The environment called ``name``, made now if it is not there.

    Args:
        python: an interpreter to use in place of the recipe's (``/path/to/python3.6``); packages are installed into a virtual
            environment of it, or, where it has none, beside it.
        progress: called with a line when a step begins.

    Raises:
        UsageError: there is no such backend.
        MissingDependencyError: the network, the disk, a compiler or a program is missing; nothing is left behind.
    """
    recipe = recipe_of(name)
    found = environment(name)
    if found is not None and python is None:
        return found
    folder = folder_of(recipe)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(parents=True)
        _make(recipe, folder, python, progress)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise MissingDependencyError(
            f"The backend {name!r} can't be set up in {folder}: {error.strerror or error}.",
            hint="See that there is room on the disk; KEXPORT_BACKENDS names another folder.",
        ) from error
    except BaseException:
        # An interruption too: what is not whole must not stay.
        shutil.rmtree(folder, ignore_errors=True)
        raise
    made = environment(name)
    assert made is not None
    return made


def _make(recipe: Recipe, folder: Path, python: str | None, progress: Progress) -> None:
    site = folder / "site"
    variables = dict(recipe.environment)
    if recipe.python == "3" or python is not None:
        progress("A virtual environment")
        interpreter = _virtual(folder / "venv", python)
        pip: Sequence[str] = (*interpreter, "-m", "pip")
    else:
        progress("A private CPython 2.7")
        interpreter, more = python27.unpack(folder / "python27")
        variables.update(more)
        pip = python27.pip(folder / "pip", interpreter)
    for packages in recipe.steps:
        progress(f"Installing {', '.join(packages)}")
        _install(
            recipe, pip, packages, site if recipe.python == "2.7" and python is None else None, variables
        )
    if recipe.python == "2.7" and python is None:
        variables["PYTHONPATH"] = str(site)
        _close_namespaces(site)
    if recipe.mpi:
        progress("Stand-ins for OpenMPI")
        mpi.build(site, folder / "mpi")
        own = variables.get("LD_LIBRARY_PATH")
        variables["LD_LIBRARY_PATH"] = os.pathsep.join(filter(None, [str(folder / "mpi"), own]))
    if "THEANO_FLAGS" in variables:
        variables["THEANO_FLAGS"] += f",base_compiledir={folder / 'theano'}"
    progress("Trying it")
    versions = _probe(recipe, interpreter, variables)
    marker = {"interpreter": list(interpreter), "variables": variables, "versions": versions}
    part = folder / f"{MARKER}.part"
    part.write_text(json.dumps(marker, indent=2), "utf-8")
    part.replace(folder / MARKER)


def _virtual(folder: Path, python: str | None) -> tuple[str, ...]:
    base = python or sys.executable
    command = [base, "-m", "venv", str(folder)]
    done = _call(command, f"A virtual environment of {base} can't be made")
    if done.returncode:
        raise MissingDependencyError(
            f"A virtual environment of {base} can't be made: {_last(done)}",
            hint="On Debian and Ubuntu: apt install python3-venv.",
        )
    scripts = "Scripts" if sys.platform == "win32" else "bin"
    return (str(folder / scripts / "python"),)


def _install(
    recipe: Recipe,
    pip: Sequence[str],
    packages: Sequence[str],
    target: Path | None,
    variables: dict[str, str],
) -> None:
    options = ["--quiet", "--disable-pip-version-check", "--no-cache-dir", "--prefer-binary"]
    if recipe.alone:
        options += ["--no-deps", "--no-build-isolation"]
    if target is not None:
        options += ["--target", str(target), "--upgrade"]
        variables = {**variables, "PYTHONPATH": str(target)}
    command = [*pip, "install", *options, *packages]
    done = _call(command, f"pip can't be run for {recipe.name}", variables)
    if done.returncode:
        raise MissingDependencyError(
            f"The packages of the backend {recipe.name!r} can't be installed: {_last(done)}",
            hint=f"They come from PyPI: {', '.join(packages)}. See that the network reaches it, and that there are wheels for this "
            "platform; elsewhere give an interpreter of your own: --python.",
        )


def _close_namespaces(site: Path) -> None:
    """Make plain packages of namespace ones: Python 2 declares those by files that it reads in its own folders alone."""
    declared = "".join(path.read_text("utf-8", "replace") for path in site.glob("*-nspkg.pth"))
    for folder in site.iterdir():
        if folder.is_dir() and f"'{folder.name}'" in declared:
            (folder / "__init__.py").touch()


def _probe(recipe: Recipe, interpreter: Sequence[str], variables: dict[str, str]) -> str:
    done = _call([*interpreter, "-c", recipe.probe], f"The backend {recipe.name!r} can't be run", variables)
    if done.returncode:
        raise MissingDependencyError(
            f"The backend {recipe.name!r} is installed and does not start: {_last(done)}",
            hint="It needs a 64-bit Linux with glibc where its packages are that old; elsewhere use a container, and --golden.",
        )
    return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""


def _call(
    command: Sequence[str], problem: str, variables: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "PYTHONHOME"}}
    try:
        return subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
            env={**kept, "PYTHONNOUSERSITE": "1", **(variables or {})},
        )
    except OSError as error:
        raise MissingDependencyError(
            f"{problem}: {command[0]}: {error.strerror}.", hint="Give another interpreter with --python."
        ) from error


def _last(done: subprocess.CompletedProcess[str]) -> str:
    """The last lines that a program said, for an error."""
    lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    told = [line for line in lines if "error" in line.lower()] or lines
    return " | ".join(told[-2:])[:500] or f"exit code {done.returncode}"
