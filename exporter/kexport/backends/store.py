"""The environments that are there: found by what ``provision`` writes last, run by their own interpreter."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

from kexport.backends.locking import Taken, held
from kexport.backends.processes import surroundings
from kexport.backends.recipes import RECIPES, Recipe, recipe_of
from kexport.errors import MissingDependencyError, UsageError

#: Written last: a folder without it is no environment.
MARKER: Final = "kexport-backend.json"

_PYTHONS: Final = ("python", "python2", "python3", "python2.7")


@dataclass(frozen=True)
class Environment:
    """One that is whole.

    Attributes:
        recipe: what it was made from.
        folder: where it is.
        interpreter: the command that starts its Python.
        variables: what its processes have in their environment, beyond the caller's.
        versions: what its probe printed.
    """

    recipe: Recipe
    folder: Path
    interpreter: tuple[str, ...]
    variables: Mapping[str, str]
    versions: str

    def process_environment(self) -> dict[str, str]:
        """The caller's environment with this one's variables; what would lead out of it is taken away."""
        return surroundings(self.variables)


def home() -> Path:
    """Where environments are kept: ``KEXPORT_BACKENDS``, or ``kexport/backends`` in the user's cache."""
    given = os.environ.get("KEXPORT_BACKENDS")
    if given:
        return Path(given)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "kexport" / "backends"


def folder_of(recipe: Recipe) -> Path:
    """The folder of an environment of this very recipe."""
    return home() / f"{recipe.name}-{recipe.digest}"


def unused_folder(recipe: Recipe) -> Path:
    """A folder for a new environment, beside the one that is there."""
    first = folder_of(recipe)
    return next(
        path
        for number in count()
        if not (path := first.with_name(f"{first.name}.{number}") if number else first).exists()
    )


def lock_of(recipe: Recipe) -> Path:
    """The file that a process locks while it makes or removes an environment of that name."""
    return home() / f".{recipe.name}.lock"


def environment(name: str) -> Environment | None:
    """The environment called ``name``; None where there is none, or none that was made by today's recipe.

    Raises:
        UsageError: no backend has that name.
    """
    recipe = recipe_of(name)
    own = folder_of(recipe).name
    for folder in _folders(recipe):
        if folder.name.partition(".")[0] == own and (found := _read(recipe, folder)) is not None:
            return found
    return None


def _read(recipe: Recipe, folder: Path) -> Environment | None:
    try:
        found: dict[str, Any] = json.loads((folder / MARKER).read_text("utf-8"))
        interpreter = tuple(map(str, found["interpreter"]))
        made = Environment(recipe, folder, interpreter, dict(found["variables"]), str(found["versions"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    # A virtual environment ends with the Python that it was made of.
    return made if interpreter and shutil.which(interpreter[0]) else None


def environments() -> list[Environment]:
    """All that are there, in the order of the recipes."""
    return [found for name in RECIPES if (found := environment(name)) is not None]


def run(name: str, command: Sequence[str]) -> int:
    """Run a command in an environment; ``python`` at its beginning is the environment's. Returns its exit code.

    Raises:
        MissingDependencyError: the environment is not there.
        UsageError: there is no such backend, or no command.
    """
    found = environment(name)
    if found is None:
        raise MissingDependencyError(
            f"The backend {name!r} is not set up.", hint=f"kexport backend setup {name}"
        )
    if not command:
        raise UsageError("A command is needed.", hint=f"kexport backend run {name} -- python script.py")
    head, *rest = command
    whole = [*found.interpreter, *rest] if head in _PYTHONS else [head, *rest]
    try:
        return subprocess.run(whole, check=False, env=found.process_environment()).returncode
    except OSError as error:
        raise UsageError(f"{head!r} can't be run: {error.strerror}") from error


def remove(name: str) -> bool:
    """Remove an environment, and what is left of others of its name; whether there was anything.

    Raises:
        UsageError: there is no such backend, or it is being set up.
        OSError: files can't be removed; what is left is no environment.
    """
    recipe = recipe_of(name)
    if not _folders(recipe):
        return False
    try:
        with held(lock_of(recipe), None):
            clear(recipe, keep=None)
    except Taken:
        raise UsageError(
            f"The backend {name!r} is being set up.", hint="Wait, or interrupt that setup."
        ) from None
    return True


def is_leftover(name: str) -> bool:
    """Whether there are only folders of that name which are no environments: of interrupted setups, or of other recipes."""
    return environment(name) is None and bool(_folders(recipe_of(name)))


def clear(recipe: Recipe, *, keep: Environment | None) -> None:
    """Remove every folder of a recipe's name but that of ``keep``. The caller holds the lock."""
    for path in _folders(recipe):
        if keep is not None and path == keep.folder:
            continue
        if path.is_symlink():
            path.unlink()
            continue
        # Without its marker first: what an interrupted removal leaves is no environment.
        (path / MARKER).unlink(missing_ok=True)
        shutil.rmtree(path)


def _folders(recipe: Recipe) -> list[Path]:
    """All folders of a recipe's name (``tensorflow-…`` is none of ``tensorflow1``'s)."""
    pattern = re.compile(re.escape(recipe.name) + r"-[0-9a-f]{16}(\.\d+)?")
    return sorted(path for path in home().glob(f"{recipe.name}-*") if pattern.fullmatch(path.name))
