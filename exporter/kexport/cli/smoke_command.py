"""``kexport smoke --serving http://localhost:8501 model_export``."""

from __future__ import annotations

import click

from kexport.cli.console import Progress
from kexport.cli.options import output_options, with_options
from kexport.errors import UsageError


@click.command("smoke")
@with_options(
    click.argument("folder", type=click.Path()),
    click.option(
        "--serving",
        required=True,
        metavar="URL",
        help="The server: http://HOST:8501 (REST) or grpc://HOST:8500; https://, grpcs:// with TLS.",
    ),
    click.option(
        "--model-name", metavar="NAME", help="The name it is served under.  [default: the export's]"
    ),
    click.option("--version", type=int, metavar="N", help="The version to ask.  [default: the newest]"),
    click.option("--golden", type=click.Path(), metavar="FILE", help="Compare with these golden vectors."),
    click.option(
        "--timeout",
        type=float,
        default=30.0,
        show_default=True,
        metavar="S",
        help="Seconds for each request.",
    ),
    click.option(
        "--concurrency",
        type=int,
        metavar="N",
        help="Measure the latency with N that ask at once.  [default: 1]",
    ),
    click.option(
        "--seconds",
        type=float,
        metavar="S",
        help="Measure the latency for so long.  [default: 10 with --concurrency, else 0]",
    ),
    click.option(
        "--header",
        "headers",
        multiple=True,
        metavar="NAME:VALUE",
        help="A header of every request. Repeatable.",
    ),
    click.option(
        "--ca-file",
        type=click.Path(),
        metavar="FILE",
        help="Certificates (PEM) to trust in place of the system's.",
    ),
    output_options,
)
def command(
    folder: str,
    serving: str,
    model_name: str | None,
    version: int | None,
    golden: str | None,
    timeout: float,
    concurrency: int | None,
    seconds: float | None,
    headers: tuple[str, ...],
    ca_file: str | None,
    as_json: bool,
    quiet: bool,
    debug: bool,
) -> int:
    """Ask a running TF Serving for what the export FOLDER computes: status, signatures, and the outputs for the golden inputs.

    Whatever the server does wrong is a row of the report; the exit code is then 5.
    """
    import kexport

    with Progress(quiet=quiet) as progress:
        result = kexport.smoke(
            folder,
            serving,
            model_name=model_name,
            version=version,
            golden=golden,
            timeout=timeout,
            concurrency=1 if concurrency is None else concurrency,
            seconds=(0.0 if concurrency is None else 10.0) if seconds is None else seconds,
            headers=_headers(headers),
            ca_file=ca_file,
            progress=progress,
        )
    if as_json:
        from kexport.reporting.as_json import smoke_json

        click.echo(smoke_json(result), nl=False)
    else:
        from kexport.reporting.terminal import smoke_text

        click.echo(smoke_text(result), nl=False)
    return result.exit_code


def _headers(texts: tuple[str, ...]) -> dict[str, str]:
    """``("Authorization: Bearer x",)`` as ``{"Authorization": "Bearer x"}``."""
    found = {}
    for text in texts:
        name, colon, value = text.partition(":")
        if not colon or not name.strip():
            raise UsageError(f"--header takes NAME:VALUE. Received: {text!r}")
        found[name.strip()] = value.strip()
    return found
