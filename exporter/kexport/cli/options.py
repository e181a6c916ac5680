"""Options that several commands share, and the reading of their values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from kexport.errors import UsageError

Command = TypeVar("Command", bound=Callable[..., Any])

BACKENDS = ("tensorflow", "theano", "cntk", "mxnet", "jax", "torch", "openvino")

model_argument = click.argument("model", type=click.Path())
output_options = (
    click.option("--json", "as_json", is_flag=True, help="Print the result as JSON."),
    click.option("--quiet", "-q", is_flag=True, help="Print no progress."),
    click.option("--debug", is_flag=True, help="Show the traceback of an error."),
)
reading_options = (
    click.option("--weights", type=click.Path(), metavar="FILE", help="The weights of a model.json."),
    click.option(
        "--dim",
        "dims",
        multiple=True,
        metavar="NAME=N",
        help="Fix an unknown dimension (time=128), or bound it where the format wants that (time=1..512, time=128,256). Repeatable.",
    ),
    click.option(
        "--input-shape",
        "input_shapes",
        multiple=True,
        metavar="[NAME=]N,N,…",
        help="The input's shape without the batch, where the file leaves it open; ? for what stays unknown.",
    ),
)
code_options = (
    click.option(
        "--custom-objects",
        type=click.Path(),
        metavar="FILE",
        help="A Python file that defines the model's custom layers and functions. It is run.",
    ),
    click.option(
        "--custom-object",
        "custom_object",
        multiple=True,
        metavar="NAME=EXPR",
        help="A custom function by its name in the model: '<lambda>=relu(max_value=20)'. Repeatable.",
    ),
    click.option(
        "--trust-lambda",
        is_flag=True,
        help="Run the Python code that the model file holds (Lambda layers), with your rights, in a process of its own.",
    ),
)
trained_on_option = click.option(
    "--trained-on",
    type=click.Choice(BACKENDS),
    help="The backend that trained the model, where the file does not say.",
)


def word_or(kind: type, words: tuple[str, ...]) -> Callable[[str], Any]:
    """Reads a value of a type, or one of a few words: ``17`` or ``latest``."""

    def read(text: str) -> Any:
        if text in words:
            return text
        try:
            return kind(text)
        except ValueError as error:
            shown = ("a whole number" if kind is int else f"a {kind.__name__}", *map(repr, words))
            raise ValueError(f"It is {' or '.join(shown)}. Received: {text!r}") from error

    read.__name__ = "|".join((kind.__name__, *words))  # what --help shows
    return read


def with_options(*groups: Any) -> Callable[[Command], Command]:
    """Apply options and tuples of options, in the order they are to be listed."""
    flat = [option for group in groups for option in (group if isinstance(group, tuple) else (group,))]

    def decorate(command: Command) -> Command:
        for option in reversed(flat):
            command = option(command)
        return command

    return decorate


def batch_of(text: str) -> Any:
    """``dynamic`` or a number."""
    if text == "dynamic":
        return text
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise UsageError(f"--batch is a positive number or 'dynamic'. Received: {text!r}")
    return int(text)


def dimensions_of(texts: tuple[str, ...]) -> dict[str, Any]:
    """``("time=128",)`` as ``{"time": 128}``, ``time=1..512`` as a range, ``time=128,256`` as a tuple."""
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, lengths = text.partition("=")
        low, dots, high = lengths.partition("..")
        numbers = [low, high] if dots else lengths.split(",")
        known = all(number.isascii() and number.isdigit() and int(number) > 0 for number in numbers)
        if not name or not equals or not known or (dots and int(low) > int(high)):
            raise UsageError(
                f"--dim takes NAME=N, NAME=LOW..HIGH or NAME=N,N,…, all positive. Received: {text!r}"
            )
        values = [int(number) for number in numbers]
        found[name] = (
            range(values[0], values[1] + 1) if dots else values[0] if len(values) == 1 else tuple(values)
        )
    return found


def input_shapes_of(texts: tuple[str, ...]) -> Any:
    """``("128,?",)`` as ``(128, None)``, ``("a=3", "b=4")`` as ``{"a": (3,), "b": (4,)}``; None without any."""
    named: dict[str, tuple[int | None, ...]] = {}
    for text in texts:
        name, equals, dims = text.rpartition("=")
        if (not name) == bool(equals) or name in named:
            raise UsageError(f"--input-shape takes each input once, as [NAME=]N,N,…. Received: {text!r}")
        named[name] = tuple(_dim(part.strip(), text) for part in dims.split(","))
    if "" in named and len(named) > 1:
        raise UsageError("With several --input-shape every one needs the name of its input, as NAME=N,N,….")
    return named.get("", named) if named else None


def _dim(part: str, text: str) -> int | None:
    if part == "?":
        return None
    if not part.isascii() or not part.isdigit() or int(part) < 1:
        raise UsageError(f"--input-shape takes positive numbers and ? for unknown ones. Received: {text!r}")
    return int(part)
