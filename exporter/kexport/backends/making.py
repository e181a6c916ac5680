"""The steps of a setup, in a folder that is an environment only once they all are done."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from kexport.backends import interpreters, mpi, python27
from kexport.backends.interpreters import Interpreter
from kexport.backends.pins import Contents
from kexport.backends.processes import Runner, failure
from kexport.backends.recipes import Recipe
from kexport.backends.trial import tried
from kexport.errors import MissingDependencyError, UsageError

#: Lets packages start that are older than their Python; see the file.
_COMPATIBILITY: Final = Path(__file__).parent / "inside" / "compatibility.py"

_RUNNING: Final = f"{sys.version_info.major}.{sys.version_info.minor}"


class Steps:
    """Numbers the steps and tells of them; downloads of megabytes are told, too."""

    def __init__(self, recipe: Recipe, tell: Callable[[str], None], *, given: bool) -> None:
        self._head = recipe.name
        self._tell = tell
        self._done = 0
        # The Python, the packages, OpenMPI's stand-ins and the trial; of a command that is given the trial alone.
        packages = len(next(iter(recipe.contents.values())).steps)
        self._total = 1 if given else 2 + packages + recipe.mpi

    def __call__(self, step: str) -> None:
        """``step`` begins."""
        self._done += 1
        self._tell(f"{self._head} [{self._done}/{self._total}] {step}")

    def listen(self, line: str) -> None:
        """A line of pip's."""
        found = re.match(r"\s*Downloading (\S+) \((\S+ [MG]B)\)", line)
        if found is not None:
            package = found[1].rsplit("/", 1)[-1].partition("-")[0]
            self._tell(f"{self._head} [{self._done}/{self._total}] Downloading {package} ({found[2]})")


@dataclass(frozen=True)
class Making:
    """What a setup works with: the folder, and what runs programs."""

    recipe: Recipe
    folder: Path
    run: Runner
    step: Steps

    @classmethod
    def of(
        cls,
        recipe: Recipe,
        folder: Path,
        held: tuple[int, ...],
        tell: Callable[[str], None],
        *,
        given: bool,
    ) -> Making:
        """For a folder that is there; ``given`` where the Python is a command of the user's."""
        steps = Steps(recipe, tell, given=given)
        return cls(recipe, folder, Runner(folder / "tmp", held, steps.listen), steps)

    def installed(self, python: str | None) -> Mapping[str, Any]:
        """Install everything; what the environment's marker says.

        Raises:
            MissingDependencyError: something that is needed can't be had.
        """
        recipe = self.recipe
        if self._makes_python27(python):
            python27.check()
        if recipe.mpi:
            mpi.check()
        self._check_room()
        interpreter, contents = self._interpreter(python)
        variables = {**recipe.environment, **interpreter.variables}
        for packages in contents.steps:
            self.step(f"Installing {_listed(packages)}")
            self._install(interpreter, contents, packages, variables)
        if interpreter.target:
            _close_namespaces(interpreter.site)
        if contents.compatible:
            shutil.copyfile(_COMPATIBILITY, interpreter.site / "kexport_compatibility.py")
            # Python runs such a line when it starts.
            (interpreter.site / "kexport_compatibility.pth").write_text(
                "import kexport_compatibility\n", "utf-8"
            )
        if recipe.mpi:
            self.step("Making stand-ins for OpenMPI")
            mpi.build(interpreter.site, self.folder / "mpi", self.run)
            variables["LD_LIBRARY_PATH"] = interpreters.joined(
                self.folder / "mpi", variables.get("LD_LIBRARY_PATH")
            )
        if "THEANO_FLAGS" in variables:
            variables["THEANO_FLAGS"] += f",base_compiledir={self.folder / 'theano'}"
        return self._tried(interpreter.command, variables, given=False)

    def commanded(self, command: str) -> Mapping[str, Any]:
        """See that the user's command starts the framework; what the environment's marker says.

        Raises:
            UsageError: the command line can't be read.
            MissingDependencyError: it does not.
        """
        try:
            words = tuple(shlex.split(command))
        except ValueError as error:
            raise UsageError(f"The command can't be read: {error}. Received: {command!r}") from error
        if not words:
            raise UsageError("The command is empty.", hint="--command 'docker run --rm -i … image python'")
        # Variables reach no container; they are for commands such as `conda run`.
        return self._tried(words, self.recipe.environment, given=True)

    def _tried(
        self, command: tuple[str, ...], variables: Mapping[str, str], *, given: bool
    ) -> Mapping[str, Any]:
        self.step("Training a model of one layer in it")
        found = tried(self.recipe, command, variables, self.run, given=given)
        shutil.rmtree(self.folder / "tmp", ignore_errors=True)
        return {"interpreter": list(command), "variables": dict(variables), "versions": found.versions}

    def _check_room(self) -> None:
        free = shutil.disk_usage(self.folder).free // 2**20
        if free < self.recipe.megabytes:
            raise MissingDependencyError(
                f"The backend {self.recipe.name!r} takes about {self.recipe.megabytes} MB, and {self.folder.parent} has {free} MB left.",
                hint="Make room, or name another folder with KEXPORT_BACKENDS.",
            )

    def _makes_python27(self, python: str | None) -> bool:
        """Whether a private Python is made: not where the user gives one, nor where it can't be and the running one does."""
        own = python is None and self.recipe.private
        return own and not (_RUNNING in self.recipe.contents and python27.obstacle())

    def _interpreter(self, python: str | None) -> tuple[Interpreter, Contents]:
        recipe, run = self.recipe, self.run
        if self._makes_python27(python):
            self.step("Unpacking a private CPython 2.7")
            command, variables = python27.unpack(self.folder / "python27", run)
            return interpreters.with_site(self.folder, command, run, variables), recipe.contents["2.7"]
        path = sys.executable if python is None else interpreters.path_of(python)
        version = _RUNNING if python is None else interpreters.version_of(path, run)
        if version not in recipe.contents:
            raise MissingDependencyError(
                f"{recipe.title} runs on Python {', '.join(recipe.contents)}. Received: {path}, which is Python {version}",
                hint="Give another interpreter with --python, or a container with --command.",
            )
        self.step(f"Preparing Python {version}")
        made = (
            interpreters.with_site(self.folder, (path,), run)
            if version == "2.7"
            else interpreters.virtual(self.folder / "venv", path, version, run)
        )
        return made, recipe.contents[version]

    def _install(
        self, python: Interpreter, contents: Contents, packages: tuple[str, ...], variables: Mapping[str, str]
    ) -> None:
        options = [
            "--disable-pip-version-check",
            "--no-cache-dir",
            "--prefer-binary",
            "--progress-bar",
            "off",
        ]
        if not contents.dependencies:
            options += ["--no-deps", "--no-build-isolation"]
        if python.target:
            options += ["--target", str(python.site), "--upgrade"]
        done = self.run([*python.pip, "install", *options, *packages], variables=variables)
        if done.returncode:
            raise failure(
                done,
                f"The packages of the backend {self.recipe.name!r} can't be installed",
                f"They come from PyPI: {', '.join(packages)}. Where it has none for this platform, give another interpreter "
                "(--python) or a container (--command).",
            )


def _listed(packages: tuple[str, ...]) -> str:
    """Their names, without the versions."""
    return ", ".join(package.partition("==")[0] for package in packages)


def _close_namespaces(site: Path) -> None:
    """Make plain packages of namespace ones: Python 2 declares those by files that it reads in its own folders alone."""
    declared = "".join(path.read_text("utf-8", "replace") for path in site.glob("*-nspkg.pth"))
    for folder in site.iterdir():
        if folder.is_dir() and f"'{folder.name}'" in declared:
            (folder / "__init__.py").touch()
