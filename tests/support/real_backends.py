"""The environments of the real frameworks that tests run: set up into the project's cache, once."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kexport import backends
from kexport.backends import Environment
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


@contextmanager
def project_backends() -> Iterator[None]:
    """The environments are those of the project's cache, for this process and those that it starts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KEXPORT_BACKENDS", str(HOME))
        yield


def ready(name: str) -> Environment:
    """The environment called ``name``, set up now if it is not there; other processes wait."""
    with project_backends():
        return backends.setup(name)


def written_by(name: str, script: Path) -> Path:
    """The folder that ``script FOLDER`` fills when it is run in an environment; run once."""
    found = ready(name)
    runner = "import sys; from kexport import backends; sys.exit(backends.run(sys.argv[1], ['python', *sys.argv[2:]]))"
    with project_backends():
        return made(
            f"{name}-{script.stem}",
            scripts=[script],
            packages=[],
            commands=[["-c", runner, name, str(script)]],
            also=found.recipe.digest,
        )
