"""``kexport doctor``."""

from __future__ import annotations

import click

from kexport.cli.options import output_options, with_options
from kexport.errors import MissingDependencyError


@click.command("doctor")
@with_options(output_options)
def command(as_json: bool, quiet: bool, debug: bool) -> int:
    """Show what is installed, what is missing, and the command that installs it.

    The exit code is 7 when a model could not be exported and verified here.
    """
    from kexport.api.installed import doctor

    result = doctor()
    if as_json:
        from kexport.reporting.as_json import plain_json

        click.echo(plain_json(result), nl=False)
    else:
        for row in result.rows:
            state = row.version or "missing"
            way = f"  {row.install}" if row.install and not row.version else ""
            click.echo(f"{row.name:<24}{state:<12}{row.purpose}{way}")
        click.echo("\nEnvironments of frameworks that models were trained in, for their reference outputs:")
        for item in result.backends:
            click.echo(f"  {item.name:<16}{item.versions or f'-  {item.install}'}")
        click.echo(f"\n{result.summary}")
    return 0 if result.ready else MissingDependencyError.exit_code
