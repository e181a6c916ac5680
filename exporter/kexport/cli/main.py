"""The program ``kexport``: its commands, and how every error ends."""

from __future__ import annotations

import errno
import os
import signal
import sys
from io import TextIOWrapper
from types import FrameType
from typing import NoReturn

import click

from kexport import __version__
from kexport.cli.commands import DefaultGroup
from kexport.cli.console import show_error
from kexport.errors import KexportError, UsageError

INTERNAL_ERROR = 1
INTERRUPTED = 130
TERMINATED = 143

_HELP = """Export trained Keras models, and verify each artifact on its own runtime.

\b
  kexport --target tflite model.h5      writes model_export/, or says what stops it
  kexport inspect model.h5              what the model is and what it can be exported to
  kexport COMMAND --help                the options of a command

Exit codes: 0 done and verified, 2 usage, 3 the model can't be read, 4 a layer can't be exported, 5 outputs differ,
7 something must be installed, 8 exported but not verified.
"""


@click.group(
    cls=DefaultGroup,
    help=_HELP,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, prog_name="kexport")
def cli() -> None:
    """Every command is in a module of its own, imported when it is called."""


def main() -> NoReturn:
    """Run the command line and exit."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A terminal that can't show a letter of a layer's name gets a question mark.
            stream.reconfigure(errors="replace")
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run the command line with these arguments; the exit code."""
    debug = "--debug" in arguments
    previous = signal.signal(signal.SIGTERM, _terminate)
    try:
        return _run(arguments)
    except KexportError as error:
        _show_traceback(debug)
        show_error(error.message, error.hint)
        if "--json" in arguments:
            _print_error(error)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        show_error("Interrupted. Nothing was written.")
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone (`kexport … | head`). Python must not find that out again when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EIO):
            return _internal(error, debug=debug)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        show_error(f"Standard output can't be written: {error.strerror}.")
        return UsageError.exit_code
    except Exception as error:  # noqa: BLE001  (a user is told in one line; --debug shows the rest)
        return _internal(error, debug=debug)
    finally:
        signal.signal(signal.SIGTERM, previous)


def _print_error(error: KexportError) -> None:
    """The error as what ``--json`` promises on standard output."""
    from kexport.reporting.as_json import plain_json

    told = {"class": type(error).__name__, "message": error.message, "hint": error.hint}
    click.echo(plain_json({"exit_code": error.exit_code, "error": told}), nl=False)


def _internal(error: Exception, *, debug: bool) -> int:
    _show_traceback(debug)
    show_error(
        f"Internal error: {type(error).__name__}: {error}",
        "This is a bug of kexport. Run again with --debug for the traceback.",
    )
    return INTERNAL_ERROR


def _run(arguments: list[str]) -> int:
    try:
        code = cli.main(arguments, prog_name="kexport", standalone_mode=False)
    except SystemExit as error:
        # Click ends the program when nobody reads its output any more.
        if isinstance(error.__context__, OSError) and error.__context__.errno == errno.EPIPE:
            raise BrokenPipeError from error
        raise
    sys.stdout.flush()
    return code if isinstance(code, int) else 0


def _show_traceback(wanted: bool) -> None:
    if wanted:
        import traceback

        traceback.print_exc()


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    # As an exception, so that unfinished folders are removed.
    raise SystemExit(TERMINATED)
