"""``kexport --target tflite model.h5``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import click

from kexport.cli.console import Progress, show_error, show_warning
from kexport.cli.options import (
    batch_of,
    code_options,
    dimensions_of,
    input_shapes_of,
    model_argument,
    output_options,
    reading_options,
    trained_on_option,
    with_options,
    word_or,
)
from kexport.errors import KexportError, UsageError

if TYPE_CHECKING:
    from kexport.contracts import TargetOption


class ExportCommand(click.Command):
    """Its options are its own and those of the installed targets."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The targets' options stand after those of every export."""
        own = super().get_params(ctx)
        return [*own, *_target_options()]


@cache
def _target_options() -> tuple[click.Option, ...]:
    from kexport import plugins

    found: dict[str, list[tuple[str, TargetOption]]] = {}
    for name in plugins.target_names():
        try:
            target = plugins.target(name)
        except KexportError:
            # It is named by `kexport targets` and `kexport doctor`; here it only has no options to offer.
            continue
        for option in target.options:
            found.setdefault(option.name, []).append((name, option))
    return tuple(_option(offers) for offers in found.values())


def _option(offers: Sequence[tuple[str, TargetOption]]) -> click.Option:
    """What the targets that have an option of one name offer, each in its own words."""
    option = offers[0][1]
    flag = f"--{option.name.replace('_', '-')}"
    on = [name for name, offered in offers if offered.default is True]
    said: dict[str, list[str]] = {}
    for name, offered in offers:
        said.setdefault(offered.help, []).append(name)
    return click.Option(
        # What is on somewhere can be switched off.
        [f"{flag}/--no-{flag.removeprefix('--')}" if on else flag, option.name],
        is_flag=option.type is bool,
        type=word_or(option.type, option.words) if option.words else option.type,
        default=None,
        help=" ".join(
            f"{words} [{', '.join(f'{name}: on' if name in on else name for name in names)}]"
            for words, names in said.items()
        ),
    )


@click.command("export", cls=ExportCommand, short_help="Export a model.")
@with_options(
    model_argument,
    click.option(
        "--target", "-t", "targets", multiple=True, required=True, help="The format to export to. Repeatable."
    ),
    click.option(
        "--output", "-o", type=click.Path(), metavar="DIR", help="The export folder.  [default: MODEL_export]"
    ),
    click.option(
        "--batch",
        metavar="N|dynamic",
        help="The batch of the artifact's inputs.  [default: 1; onnx, saved_model, frozen_graph: dynamic]",
    ),
    reading_options,
    trained_on_option,
    code_options,
    click.option(
        "--golden",
        type=click.Path(),
        metavar="FILE",
        help="Verify with these golden vectors instead of Keras.",
    ),
    click.option(
        "--samples", type=click.Path(), metavar="FILE", help="Verify with these inputs (.npz by input name)."
    ),
    click.option("--no-verify", is_flag=True, help="Write the artifact without running it."),
    output_options,
)
def command(
    model: str,
    targets: tuple[str, ...],
    output: str | None,
    batch: str | None,
    weights: str | None,
    dims: tuple[str, ...],
    input_shapes: tuple[str, ...],
    trained_on: str | None,
    custom_objects: str | None,
    custom_object: tuple[str, ...],
    trust_lambda: bool,
    golden: str | None,
    samples: str | None,
    no_verify: bool,
    as_json: bool,
    quiet: bool,
    debug: bool,
    **options: Any,
) -> int:
    """Export MODEL (.h5, .hdf5, .keras, or .json with --weights) and verify each artifact on its own runtime.

    Writes an export folder with the artifacts, manifest.json and golden.npz, whole and verified, or nothing at all.
    """
    if no_verify and (golden or samples):
        raise UsageError("--no-verify verifies nothing: leave out --golden and --samples.")
    import kexport

    with Progress(quiet=quiet) as progress:
        result = kexport.export(
            model,
            targets,
            output=output,
            batch=None if batch is None else batch_of(batch),
            dimensions=dimensions_of(dims),
            input_shape=input_shapes_of(input_shapes),
            weights=weights,
            trained_on=trained_on,
            custom_objects=custom_objects,
            custom_object=custom_object,
            trust_lambda=trust_lambda,
            golden=golden,
            samples=samples,
            verify=not no_verify,
            options={name: value for name, value in options.items() if value is not None},
            progress=progress,
        )
    _report(result, as_json=as_json)
    return result.exit_code


def _report(result: Any, *, as_json: bool) -> None:
    if as_json:
        from kexport.reporting.as_json import export_json

        click.echo(export_json(result), nl=False)
    else:
        from kexport.reporting.terminal import export_text

        click.echo(export_text(result), nl=False)
    for note in () if result.verified else result.model.notes:
        show_warning(note)
    for target in result.targets:
        if target.status == "unavailable":
            show_warning(f"{target.target} is not verified. {target.reason}")
        for line in target.verdict.warnings if target.verdict else ():
            show_warning(line)
    for name, error in result.failures.items():
        show_error(f"{name}: {error.message}", error.hint)
