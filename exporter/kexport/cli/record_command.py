"""``kexport record model.h5``."""

from __future__ import annotations

import click

from kexport.cli.console import Progress
from kexport.cli.options import (
    code_options,
    dimensions_of,
    input_shapes_of,
    output_options,
    reading_options,
    with_options,
)
from kexport.errors import UsageError


@click.command("record")
@with_options(
    click.argument("model", type=click.Path(), required=False),
    click.option(
        "--output",
        "-o",
        type=click.Path(),
        metavar="FILE",
        help="The golden file.  [default: MODEL_golden.npz]",
    ),
    click.option(
        "--samples", type=click.Path(), metavar="FILE", help="Record on these inputs (.npz by input name)."
    ),
    click.option("--layers", is_flag=True, help="Record what every layer computes, too."),
    click.option(
        "--print-script",
        is_flag=True,
        help="Print the standalone recorder, which needs only Keras and NumPy on Python 2.7 to 3.13, and stop.",
    ),
    reading_options,
    code_options,
    output_options,
)
def command(
    model: str | None,
    output: str | None,
    samples: str | None,
    layers: bool,
    print_script: bool,
    weights: str | None,
    dims: tuple[str, ...],
    input_shapes: tuple[str, ...],
    custom_objects: str | None,
    custom_object: tuple[str, ...],
    trust_lambda: bool,
    as_json: bool,
    quiet: bool,
    debug: bool,
) -> int:
    """Write golden vectors of MODEL: inputs, and what the model's own Keras computes on them."""
    if print_script:
        from kexport.api.recording import standalone_script

        click.echo(standalone_script(), nl=False)
        return 0
    if model is None:
        raise UsageError("A model is needed.", hint="kexport record MODEL, or kexport record --print-script.")
    import kexport

    with Progress(quiet=quiet) as progress:
        result = kexport.record(
            model,
            output,
            samples=samples,
            layers=layers,
            weights=weights,
            dimensions=dimensions_of(dims),
            input_shape=input_shapes_of(input_shapes),
            custom_objects=custom_objects,
            custom_object=custom_object,
            trust_lambda=trust_lambda,
            progress=progress,
        )
    if as_json:
        from kexport.reporting.as_json import record_json

        click.echo(record_json(result), nl=False)
    else:
        golden = result.golden
        click.echo(f"{result.path}: {golden.samples} samples, computed by {golden.computed_by}")
    return 0
