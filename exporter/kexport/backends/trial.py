"""Whether an environment works: a model is trained, saved and read again in it before it counts as one."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kexport.backends.processes import Ended, Runner
from kexport.backends.recipes import Recipe
from kexport.errors import MissingDependencyError

PROBE: Final = Path(__file__).parent / "inside" / "probe.py"

_OLD_LINUX: Final = "It needs a 64-bit Linux with glibc where its packages are that old; elsewhere use a container (--command), or --golden."


@dataclass(frozen=True)
class Trial:
    """What the environment is, by its own word: versions, and the backend's name."""

    python: str
    keras: str
    backend: str
    backend_version: str

    @property
    def versions(self) -> str:
        """``Keras 2.3.1, theano 1.0.5, Python 2.7.18``."""
        return f"Keras {self.keras}, {self.backend} {self.backend_version}, Python {self.python}"


def tried(
    recipe: Recipe, command: Sequence[str], variables: Mapping[str, str], run: Runner, *, given: bool
) -> Trial:
    """Run ``probe.py`` by ``command``.

    Args:
        given: whether the command is the user's, and may start a Python that does not see this machine's files or variables.

    Raises:
        MissingDependencyError: it fails, or is another framework than the recipe's.
    """
    with tempfile.TemporaryDirectory(prefix="kexport-backend-", ignore_cleanup_errors=True) as folder:
        done = run([*command, str(PROBE), folder, recipe.library], variables=variables, said="kexport\n")
        if done.returncode:
            raise _does_not_work(recipe, done, folder, given=given)
        found = _answer(done)
        if found is None:
            raise MissingDependencyError(
                f"The backend {recipe.name!r} can't be tried: the command runs no Python script ({done.last}).",
                hint="It is what stands before the script's path: docker run --rm -i … image python.",
            )
        if given and not (Path(folder) / "probe.h5").exists():
            raise MissingDependencyError(
                f"The backend {recipe.name!r} can't be used: what it writes to {folder} does not arrive here.",
                hint=_mounts(),
            )
    _check(recipe, found)
    return found


def _answer(done: Ended) -> Trial | None:
    """The probe's line, which may stand among others."""
    for line in reversed(done.lines):
        if line.startswith("{"):
            try:
                return Trial(**json.loads(line))
            except (ValueError, TypeError):
                continue
    return None


def _check(recipe: Recipe, found: Trial) -> None:
    if found.backend != recipe.backend or found.keras.partition(".")[0] != str(recipe.keras_major):
        raise MissingDependencyError(
            f"The backend {recipe.name!r} is {recipe.title}. Received: {found.versions}",
            hint=f"A container has variables of its own: docker run -e KERAS_BACKEND={recipe.backend} …",
        )


def _does_not_work(recipe: Recipe, done: Ended, folder: str, *, given: bool) -> MissingDependencyError:
    if given and done.says("standard input"):
        return MissingDependencyError(
            f"The backend {recipe.name!r} can't be used: the command passes no standard input on.",
            hint="docker run needs -i; conda run needs --no-capture-output.",
        )
    if given and done.says("can't open file", folder):
        return MissingDependencyError(
            f"The backend {recipe.name!r} can't be used: it does not see kexport's files ({done.last}).",
            hint=_mounts(),
        )
    way = "See that the command's Python has that framework." if given else _OLD_LINUX
    return MissingDependencyError(f"The backend {recipe.name!r} does not start: {done.last}", hint=way)


def _mounts() -> str:
    seen = (PROBE.parents[2], tempfile.gettempdir(), Path.cwd())
    return f"Let it see these folders, and your models', under the same paths: {' '.join(f'-v {p}:{p}' for p in seen)}"
