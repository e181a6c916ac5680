"""``kexport serve model_export``."""

from __future__ import annotations

import click

from kexport.cli.options import output_options, with_options


@click.command("serve")
@with_options(
    click.argument("folder", type=click.Path()),
    click.option(
        "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes a free one."
    ),
    output_options,
)
def command(folder: str, port: int, as_json: bool, quiet: bool, debug: bool) -> int:
    """Serve the web bundle in FOLDER on this machine, with the headers that threads need, until Ctrl-C."""
    from kexport.api.serving import BundleServer
    from kexport.reporting.as_json import plain_json

    with BundleServer(folder, port) as server:
        text = plain_json({"url": server.url, "folder": str(server.folder)}) if as_json else f"{server.url}\n"
        click.echo(text, nl=False)
        if not quiet:
            click.echo("Ctrl-C ends it.", err=True)
        try:
            server.run()
        except KeyboardInterrupt:
            click.echo("", err=True)
    return 0
