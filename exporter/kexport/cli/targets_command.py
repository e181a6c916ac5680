"""``kexport targets``."""

from __future__ import annotations

from typing import Any

import click

from kexport.cli.options import output_options, with_options


@click.command("targets")
@with_options(output_options)
def command(as_json: bool, quiet: bool, debug: bool) -> int:
    """List the targets, their options and whether their runtimes are there."""
    from kexport.api.installed import targets

    rows = targets()
    if as_json:
        from kexport.reporting.as_json import plain_json

        click.echo(plain_json(rows), nl=False)
        return 0
    for row in rows:
        click.echo(f"{row.name}: {row.description}" if not row.problem else f"{row.name}: {row.problem}")
        if not row.problem:
            click.echo(f"  runs on {row.runtime}: {row.runtime_problem or row.runtime_version}")
        for option in row.options:
            click.echo(f"  --{option.name.replace('_', '-')}: {option.help}{_default(option.default)}")
    return 0


def _default(value: Any) -> str:
    """What is not given is off, or is what the option's own words say."""
    if value is None or value is False or value == "":
        return ""
    return " (on by default)" if value is True else f" (default: {value})"
