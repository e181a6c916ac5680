"""What the command line says on standard error: progress, warnings, errors."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType
from typing import Self

import click

#: A display that comes and goes within less is only flicker.
DELAY_S = 1.0


def show_error(message: str, hint: str | None = None) -> None:
    """One clear message, and the way out on a line of its own."""
    lines = [f"error: {message}"] + ([f"hint: {hint}"] if hint else [])
    click.echo("\n".join(lines), err=True)


def show_warning(message: str) -> None:
    """Something that deserves a look."""
    click.echo(f"warning: {message}", err=True)


class Progress:
    """Shows the step that is under way: a spinner on a terminal once a second has passed, else a line a step.

    A context manager; call it with each step that begins.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._terminal = sys.stderr.isatty()
        self._started = time.monotonic()
        self._spinner: _Spinner | None = None

    def __call__(self, step: str) -> None:
        """``step`` begins."""
        if self._quiet:
            return
        if self._spinner is not None:
            self._spinner.step = step
        elif not self._terminal:
            click.echo(f"{step} …", err=True)

    def __enter__(self) -> Self:
        if self._terminal and not self._quiet:
            self._spinner = _Spinner()
            self._spinner.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._spinner is not None:
            self._spinner.stop()
            self._spinner = None


class _Spinner(threading.Thread):
    """Draws the current step with the seconds since the start, once :data:`DELAY_S` have passed."""

    def __init__(self) -> None:
        super().__init__(name="kexport-progress", daemon=True)
        self.step = ""
        self._ended = threading.Event()

    def run(self) -> None:
        begun = time.monotonic()
        if self._ended.wait(DELAY_S):
            return
        from rich.console import Console

        console = Console(stderr=True)
        with console.status("") as status:
            while not self._ended.wait(0.1):
                status.update(f"{self.step} … {time.monotonic() - begun:.0f} s")

    def stop(self) -> None:
        """Clear the line."""
        self._ended.set()
        self.join()
