"""``kexport layers``."""

from __future__ import annotations

import json

import click

from kexport.cli.options import output_options, with_options


@click.command("layers")
@with_options(output_options)
def command(as_json: bool, quiet: bool, debug: bool) -> int:
    """List the Keras layers that can be exported."""
    from kexport.api.inspecting import exportable_layers

    names = exportable_layers()
    click.echo(json.dumps(names) if as_json else "\n".join(names))
    return 0
