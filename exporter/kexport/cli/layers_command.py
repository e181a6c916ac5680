"""``kexport layers``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

from kexport.cli.options import output_options, with_options

_CELL, _WIDTH = 25, 100


@click.command("layers")
@with_options(output_options)
def command(as_json: bool, quiet: bool, debug: bool) -> int:
    """List the Keras layers and operations that can be exported, and what is refused and why."""
    from kexport.api.catalogue import catalogue

    known = catalogue()
    if as_json:
        from kexport.reporting.as_json import plain_json

        click.echo(plain_json(known), nl=False)
        return 0
    groups = {
        "layers": known.layers,
        "operations of keras.ops, in Functional models": known.operations,
        "functions of TensorFlow, in Functional models of Keras 2": known.functions,
    }
    lines = []
    for title, names in groups.items():
        lines += [f"{len(names)} {title}:", *_columns(names), ""]
    lines += ["refused:", *(f"  {row.name}: {row.reason}" for row in known.refused)]
    click.echo("\n".join(lines))
    return 0


def _columns(names: Sequence[str]) -> Iterator[str]:
    """Lines of names in columns, in order from left to right; a long name takes several."""
    line = ""
    for name in names:
        cells = -(-(len(name) + 2) // _CELL)
        if line and len(line) + cells * _CELL > _WIDTH:
            yield "  " + line.rstrip()
            line = ""
        line += name.ljust(cells * _CELL)
    yield "  " + line.rstrip()
