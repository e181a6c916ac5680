"""``kexport serve model_export``."""

from __future__ import annotations

import click


@click.command("serve")
@click.argument("folder", type=click.Path())
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes a free one."
)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def command(folder: str, port: int, debug: bool) -> int:
    """Serve the web bundle in FOLDER on this machine, with the headers that threads need, until Ctrl-C."""
    from kexport.api.serving import BundleServer

    with BundleServer(folder, port) as server:
        click.echo(server.url)
        click.echo("Ctrl-C ends it.", err=True)
        try:
            server.run()
        except KeyboardInterrupt:
            click.echo("", err=True)
    return 0
