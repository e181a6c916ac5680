"""The options of targets, completed and checked."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kexport import plugins
from kexport.contracts import Target
from kexport.errors import KexportError, UsageError


def complete(targets: Sequence[Target], given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """For each target every option it has: the value given, or its default.

    Raises:
        UsageError: no target has an option of that name, or the value is of another type.
    """
    known = {option.name for target in targets for option in target.options}
    for name in given:
        if name not in known:
            others = _targets_with(name)
            raise UsageError(
                f"None of the targets ({', '.join(target.name for target in targets)}) has an option {name!r}.",
                hint=f"It is an option of {', '.join(others)}."
                if others
                else f"Their options: {', '.join(sorted(known)) or 'none'}.",
            )
    return {target.name: _of(target, given) for target in targets}


def _targets_with(name: str) -> list[str]:
    """The installed targets that have an option of this name."""
    found = []
    for target in plugins.target_names():
        with contextlib.suppress(KexportError):  # what can't be loaded has nothing to offer
            if any(option.name == name for option in plugins.target(target).options):
                found.append(target)
    return found


def _of(target: Target, given: Mapping[str, Any]) -> dict[str, Any]:
    chosen = {}
    for option in target.options:
        value = given.get(option.name, option.default)
        if option.type is Path and isinstance(value, str | os.PathLike):
            value = Path(value)
        # An integer is a fine float; a bool is no number.
        fits = isinstance(value, option.type) and (option.type is bool or not isinstance(value, bool))
        if option.type is float and isinstance(value, int) and not isinstance(value, bool):
            value, fits = float(value), True
        fits = fits or (isinstance(value, str) and value in option.words)
        if not fits and not (value is None and option.default is None):
            kinds = " or ".join([option.type.__name__, *map(repr, option.words)])
            raise UsageError(f"The option {option.name!r} is a {kinds}. Received: {value!r}")
        chosen[option.name] = value
    return chosen


def plain_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as they are told: of a file the name, not the folder."""
    return {name: value.name if isinstance(value, Path) else value for name, value in options.items()}
