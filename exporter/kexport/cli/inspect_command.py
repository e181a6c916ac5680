"""``kexport inspect model.h5``."""

from __future__ import annotations

import click

from kexport.cli.console import show_warning
from kexport.cli.options import (
    code_options,
    dimensions_of,
    input_shapes_of,
    model_argument,
    output_options,
    reading_options,
    trained_on_option,
    with_options,
)


@click.command("inspect")
@with_options(model_argument, reading_options, trained_on_option, code_options, output_options)
def command(
    model: str,
    weights: str | None,
    dims: tuple[str, ...],
    input_shapes: tuple[str, ...],
    trained_on: str | None,
    custom_objects: str | None,
    custom_object: tuple[str, ...],
    trust_lambda: bool,
    as_json: bool,
    quiet: bool,
    debug: bool,
) -> int:
    """Show the layers of MODEL with shapes and parameters, who wrote it, and what it can be exported to."""
    import kexport

    result = kexport.inspect(
        model,
        dimensions=dimensions_of(dims),
        input_shape=input_shapes_of(input_shapes),
        weights=weights,
        trained_on=trained_on,
        custom_objects=custom_objects,
        custom_object=custom_object,
        trust_lambda=trust_lambda,
    )
    if as_json:
        from kexport.reporting.as_json import inspect_json

        click.echo(inspect_json(result), nl=False)
    else:
        from kexport.reporting.terminal import inspect_text

        click.echo(inspect_text(result), nl=False)
    for note in result.model.notes:
        show_warning(note)
    return 0
