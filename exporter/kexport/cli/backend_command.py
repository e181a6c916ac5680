"""``kexport backend list | setup | run | remove``."""

from __future__ import annotations

import click

from kexport.cli.console import Progress
from kexport.cli.options import output_options, with_options
from kexport.errors import UsageError


@click.group("backend", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Environments with the frameworks that models were trained in: TensorFlow 1 and 2, JAX, PyTorch, Theano, CNTK, MXNet, Keras 1.

    An export of a model that was trained in one of them takes its reference outputs from there.
    """


@command.command("list")
@with_options(output_options)
def list_(as_json: bool, quiet: bool, debug: bool) -> int:
    """Show the backends, and which of them are set up."""
    from kexport import backends

    rows = [
        {
            "name": recipe.name,
            "title": recipe.title,
            "ready": (found := backends.environment(recipe.name)) is not None,
            "leftover": backends.is_leftover(recipe.name),
            "versions": found.versions if found else "",
            "python": list(found.interpreter) if found else [],
            "folder": str(found.folder) if found else "",
        }
        for recipe in backends.RECIPES.values()
    ]
    if as_json:
        from kexport.reporting.as_json import plain_json

        click.echo(plain_json(rows), nl=False)
        return 0
    for row in rows:
        state = "ready" if row["ready"] else "leftover" if row["leftover"] else "-"
        click.echo(f"{row['name']:<15}{state:<12}{row['title']:<36}{row['versions']}".rstrip())
    return 0


@command.command("setup")
@with_options(
    click.argument("names", nargs=-1, required=True, metavar="NAME…"),
    click.option(
        "--python",
        metavar="PATH",
        help="An interpreter of yours, or the folder of a conda environment, to install for in place of the recipe's.",
    ),
    click.option(
        "--command",
        "own_command",
        metavar="COMMAND",
        help="A command that starts a Python which has the framework already: 'docker run --rm -i … image python'.",
    ),
    output_options,
)
def setup(
    names: tuple[str, ...],
    python: str | None,
    own_command: str | None,
    as_json: bool,
    quiet: bool,
    debug: bool,
) -> int:
    """Make the environments NAME…, each whole or not at all, in the user's cache (or in KEXPORT_BACKENDS)."""
    from kexport import backends

    if python is not None and own_command is not None:
        raise UsageError("--python is installed for, --command is taken as it is: give one of them.")
    _check(names)
    made = []
    for name in names:
        with Progress(quiet=quiet) as progress:
            made.append(backends.setup(name, python=python, command=own_command, progress=progress))
    if as_json:
        from kexport.reporting.as_json import plain_json

        rows = [
            {"name": item.recipe.name, "folder": str(item.folder), "versions": item.versions} for item in made
        ]
        click.echo(plain_json(rows), nl=False)
        return 0
    for item in made:
        click.echo(f"{item.recipe.name}: {item.versions} in {item.folder}")
    return 0


@command.command("run", context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run(name: str, arguments: tuple[str, ...]) -> int:
    """Run a command in the environment NAME: kexport backend run theano -- python train.py."""
    from kexport import backends

    return backends.run(name, arguments)


@command.command("remove")
@with_options(click.argument("names", nargs=-1, required=True, metavar="NAME…"), output_options)
def remove(names: tuple[str, ...], as_json: bool, quiet: bool, debug: bool) -> int:
    """Remove the environments NAME…."""
    from kexport import backends

    _check(names)
    removed = {name: backends.remove(name) for name in names}
    if as_json:
        from kexport.reporting.as_json import plain_json

        click.echo(
            plain_json([{"name": name, "removed": there} for name, there in removed.items()]), nl=False
        )
        return 0
    if not quiet:
        for name, there in removed.items():
            click.echo(f"{name}: {'removed' if there else 'was not set up'}")
    return 0


def _check(names: tuple[str, ...]) -> None:
    """A name that is none shows before the first is made or removed, not after minutes."""
    from kexport import backends

    for name in names:
        backends.environment(name)
