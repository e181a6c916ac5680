"""Makes an environment, whole or not at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kexport.backends.locking import held
from kexport.backends.making import Making
from kexport.backends.recipes import Recipe, recipe_of
from kexport.backends.store import MARKER, Environment, clear, environment, folder_of, lock_of, unused_folder
from kexport.errors import MissingDependencyError

#: Called with what begins.
Progress = Callable[[str], None]


def setup(
    name: str, *, python: str | None = None, command: str | None = None, progress: Progress = lambda _: None
) -> Environment:
    """The environment called ``name``, made now if it is not there; where ``python`` or ``command`` is given, made anew.

    An earlier one stays until the new one is whole. Setups of one name wait for one another.

    Args:
        python: an interpreter to use in place of the recipe's (``/path/to/python3.6``), or the folder of a conda environment; packages
            are installed for it in a place of their own.
        command: a command line that starts a Python which has the framework already (``docker run …``); nothing is installed.
        progress: called with a line when a step begins.

    Raises:
        UsageError: there is no such backend, or the command line is none.
        MissingDependencyError: the network, the disk, a compiler or a program is missing; nothing is left behind.
    """
    recipe = recipe_of(name)
    try:
        with held(lock_of(recipe), lambda: progress(f"Waiting for another setup of {name}")) as lock:
            found = environment(name)
            if found is not None and python is None and command is None:
                return found

            def make(folder: Path) -> Mapping[str, Any]:
                making = Making.of(recipe, folder, lock, progress, given=command is not None)
                return making.installed(python) if command is None else making.commanded(command)

            _make_whole(recipe, make)
    except OSError as error:
        raise MissingDependencyError(
            f"The backend {name!r} can't be set up in {folder_of(recipe)}: {error.strerror or error}.",
            hint="See that the folder can be written and the disk has room; KEXPORT_BACKENDS names another folder.",
        ) from error
    made = environment(name)
    assert made is not None
    return made


def _make_whole(recipe: Recipe, make: Callable[[Path], Mapping[str, Any]]) -> None:
    """Let ``make`` fill a new folder, then make an environment of it, in place of an earlier one."""
    kept = environment(recipe.name)
    clear(recipe, keep=kept)
    folder = unused_folder(recipe)
    try:
        folder.mkdir(parents=True)
        part = folder / f"{MARKER}.part"
        part.write_text(json.dumps(make(folder), indent=2), "utf-8")
        if kept is not None:
            (kept.folder / MARKER).unlink(missing_ok=True)
        part.replace(folder / MARKER)
    except BaseException:
        # An interruption too: what is not whole must not stay.
        shutil.rmtree(folder, ignore_errors=True)
        raise
    clear(recipe, keep=environment(recipe.name))
