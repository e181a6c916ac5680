"""``kexport verify model_export``."""

from __future__ import annotations

import click

from kexport.cli.console import Progress
from kexport.cli.options import output_options, with_options
from kexport.errors import VerificationError


@click.command("verify")
@with_options(
    click.argument("folder", type=click.Path()),
    click.option("--golden", type=click.Path(), metavar="FILE", help="Compare with these golden vectors."),
    click.option(
        "--own-tests/--no-own-tests",
        default=None,
        help="Run the tests that artifacts bring along, too (a Swift package's, on a Mac): programs, of somebody you trust. "
        "Unasked, those that are to the byte what kexport writes.",
    ),
    output_options,
)
def command(
    folder: str, golden: str | None, own_tests: bool | None, as_json: bool, quiet: bool, debug: bool
) -> int:
    """Check the files in an export FOLDER against its manifest, run each artifact and compare its outputs."""
    import kexport

    with Progress(quiet=quiet) as progress:
        result = kexport.verify(folder, golden=golden, own_tests=own_tests, progress=progress)
    if as_json:
        from kexport.reporting.as_json import verify_json

        click.echo(verify_json(result), nl=False)
    else:
        from kexport.reporting.terminal import verify_text

        click.echo(verify_text(result), nl=False)
    return 0 if result.passed else VerificationError.exit_code
