"""The programs that a setup starts, and what it makes of their failures."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from kexport.errors import MissingDependencyError

#: What would lead a Python, its pip or its Keras out of its environment.
_LEADING_OUT: Final = frozenset(
    [
        *["PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"],
        *["PIP_TARGET", "PIP_PREFIX", "PIP_REQUIRE_VIRTUALENV"],
        *["KERAS_BACKEND", "THEANO_FLAGS", "TF_USE_LEGACY_KERAS"],
    ]
)
_KEPT_LINES: Final = 400

_FULL: Final = (
    "No space left on device",
    "Errno 28",
    "Disk quota exceeded",
    "You don't have enough free space",
)
#: What pip and apt-get say where they come through to nothing; what tells most comes first.
_UNREACHABLE: Final = (
    *["Temporary failure in name resolution", "Temporary failure resolving", "Name or service not known"],
    *["Could not resolve", "Could not connect", "Cannot initiate the connection", "Unable to connect"],
    *["Network is unreachable", "Connection refused", "Connection timed out", "Connection failed"],
    *["SSLError", "ProxyError", "Read timed out", "ConnectTimeout", "Connection broken"],
    *["NewConnectionError", "Failed to establish a new connection"],
)
_NO_COMPILER: Final = (
    "unable to execute",
    "command 'gcc' failed",
    "Microsoft Visual C++",
    "No such file or directory: 'gcc'",
)


def surroundings(variables: Mapping[str, str]) -> dict[str, str]:
    """The environment variables of a process in an environment: the caller's, but for what would lead out of it, and its own."""
    kept = {key: value for key, value in os.environ.items() if key not in _LEADING_OUT}
    return {**kept, "PYTHONNOUSERSITE": "1", **variables}


@dataclass(frozen=True)
class Ended:
    """How a program ended, and what it said, standard error among it."""

    returncode: int
    lines: Sequence[str]

    @property
    def last(self) -> str:
        """The lines that say what failed, in one."""
        lines = [line.strip() for line in self.lines if line.strip()]
        told = [line for line in lines if re.search(r"(?i)\berror\b|^E: |No module named", line)] or lines
        return " | ".join(told[-2:])[:500] or f"exit code {self.returncode}"

    def says(self, *words: str) -> bool:
        """Whether one of ``words`` is in what it said."""
        return bool(self.from_word(*words))

    def from_word(self, *words: str) -> str:
        """The line that has the first of ``words`` that it said, from there on; empty where it said none."""
        found = (line[line.index(word) :] for word in words for line in self.lines if word in line)
        # pip quotes what went wrong within what went wrong.
        return next(found, "").partition("')")[0][:200]


@dataclass(frozen=True)
class Runner:
    """Starts programs so that none outlives an interruption of this one.

    Attributes:
        temporary: the folder for their temporary files: on the disk that the environment is on, and removed with it.
        held: descriptors that they inherit (:func:`kexport.backends.locking.held`).
    """

    temporary: Path
    held: tuple[int, ...] = ()
    on_line: Callable[[str], None] = field(default=lambda _: None)

    def __call__(
        self,
        command: Sequence[str],
        *,
        variables: Mapping[str, str] | None = None,
        folder: Path | None = None,
        said: str = "",
    ) -> Ended:
        """Run ``command`` to its end, with ``said`` on its standard input.

        Raises:
            MissingDependencyError: it can't be started.
        """
        self.temporary.mkdir(parents=True, exist_ok=True)
        own = {"PIP_USER": "0", "TMPDIR": str(self.temporary), "LC_ALL": "C.UTF-8", **(variables or {})}
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                # pip's own five tries of every package take minutes where there is no network.
                env={"PIP_RETRIES": "3", **surroundings(own)},
                cwd=folder,
                encoding="utf-8",
                errors="replace",
                pass_fds=self.held,
                # A group of its own, which can be ended as one.
                start_new_session=True,
            )
        except OSError as error:
            raise MissingDependencyError(
                f"{command[0]} can't be run: {error.strerror}.",
                hint="Give another interpreter with --python.",
            ) from error
        with process:
            try:
                return self._listen(process, said)
            except BaseException:
                _end(process)
                raise

    def _listen(self, process: subprocess.Popen[str], said: str) -> Ended:
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(said)
            process.stdin.close()
        lines: deque[str] = deque(maxlen=_KEPT_LINES)
        for line in process.stdout:
            lines.append(line.rstrip())
            self.on_line(line.rstrip())
        return Ended(process.wait(), lines)


def _end(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(OSError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)


def failure(done: Ended, problem: str, hint: str) -> MissingDependencyError:
    """The error for a program that could not do its work, by what it said.

    Args:
        problem: what could not be done: ``The packages of … can't be installed``.
        hint: the way out where the reason is none of the known ones.
    """
    if done.says(*_FULL):
        return MissingDependencyError(
            f"{problem}: the disk is full.", hint="Make room, or name another folder with KEXPORT_BACKENDS."
        )
    unreachable = done.from_word(*_UNREACHABLE)
    if unreachable:
        return MissingDependencyError(
            f"{problem}: the network does not reach them ({unreachable}).",
            hint="See that this machine is online; pip and apt-get go by their own settings (proxies, mirrors).",
        )
    found = next(
        (m for line in done.lines if (m := re.search(r"No matching distribution found for (\S+)", line))),
        None,
    )
    if found is not None:
        return MissingDependencyError(
            f"{problem}: there is no {found[1]} for this Python and this machine.", hint=hint
        )
    if done.says(*_NO_COMPILER):
        return MissingDependencyError(
            f"{problem}: a C compiler is needed to build a package ({done.last}).",
            hint="On Debian and Ubuntu: apt install gcc libc6-dev.",
        )
    return MissingDependencyError(f"{problem}: {done.last}", hint=hint)
