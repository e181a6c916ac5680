"""The environments of the real frameworks that tests run: set up into the project's cache, once."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from kexport import backends
from kexport.backends import RECIPES, Environment
from kexport.backends.locking import held
from support.making import CACHE, made

HOME = CACHE / "backends"
KERAS2 = Path(__file__).parents[1] / "fixtures" / "legacy" / "make_keras2.py"
KERAS1 = KERAS2.with_name("make_keras1.py")

#: Where CPython 2.7 can be made of Debian's packages, as kexport does.
POSSIBLE = platform.machine() in {"x86_64", "AMD64"} and all(
    map(shutil.which, ("apt-get", "dpkg", "gcc", "nm"))
)
only_where_possible = pytest.mark.skipif(
    not POSSIBLE, reason="these frameworks run on Debian and Ubuntu, 64-bit x86, with gcc (apt install gcc)"
)


#: The Python that MXNet 1.9.1 is set up for, where there is one.
PYTHON_OF_MXNET19 = next(filter(None, map(shutil.which, ("python3.11", "python3.10"))), None)


@dataclass(frozen=True)
class Place:
    """Where tests keep an environment.

    Attributes:
        recipe: its name.
        home: what ``KEXPORT_BACKENDS`` is there.
        python: what it is made of, where that is not the recipe's own.
    """

    recipe: str
    home: Path = HOME
    python: str | None = None


#: By the names that tests call them: the recipes', and the MXNet that comes with another Python.
PLACES = {
    **{name: Place(name) for name in RECIPES},
    "mxnet-1.9": Place("mxnet", CACHE / "backends-mxnet-1.9", PYTHON_OF_MXNET19),
}

#: MXNet 1.9.1, as the parameter of a test.
MXNET19 = pytest.param(
    "mxnet-1.9",
    marks=pytest.mark.skipif(PYTHON_OF_MXNET19 is None, reason="no Python 3.10 or 3.11 is on the path"),
)


@contextmanager
def project_backends(home: Path = HOME) -> Iterator[None]:
    """The environments are those of the project's cache, for this process and those that it starts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KEXPORT_BACKENDS", str(home))
        yield


def ready(name: str) -> Environment:
    """The environment called ``name``, set up now if it is not there; other processes wait."""
    place = PLACES[name]
    # With a Python of one's own a setup always makes it anew.
    with project_backends(place.home), held(place.home / f".{name}.ready", lambda: None):
        return backends.environment(place.recipe) or backends.setup(place.recipe, python=place.python)


def written_by(name: str, script: Path) -> Path:
    """The folder that ``script FOLDER`` fills when it is run in an environment; run once."""
    found = ready(name)
    runner = "import sys; from kexport import backends; sys.exit(backends.run(sys.argv[1], ['python', *sys.argv[2:]]))"
    with project_backends(PLACES[name].home):
        return made(
            f"{name}-{script.stem}",
            scripts=[script],
            packages=[],
            commands=[["-c", runner, found.recipe.name, str(script)]],
            also=found.recipe.digest,
        )
