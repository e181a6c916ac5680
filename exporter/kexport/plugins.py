"""Finds targets, runtimes and clients of servers by their entry points."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast

from kexport.contracts import Runtime, ServingClient, Target
from kexport.errors import MissingDependencyError, UsageError


def _found(group: str) -> dict[str, EntryPoint]:
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=group):
        other = found.setdefault(point.name, point)
        if other.value != point.value:
            raise UsageError(
                f"Two installed packages provide {group.removeprefix('kexport.')[:-1]} {point.name!r}: "
                f"{other.value} and {point.value}.",
                hint="Uninstall one of them.",
            )
    return dict(sorted(found.items()))


def target_names() -> list[str]:
    """The names of the installed targets, sorted."""
    return list(_found("kexport.targets"))


def runtime_names() -> list[str]:
    """The names of the installed runtimes, sorted."""
    return list(_found("kexport.runtimes"))


def target(name: str) -> Target:
    """The target called ``name``.

    Raises:
        UsageError: none is installed under that name.
        MissingDependencyError: it needs a package that is not installed.
    """
    return cast(Target, _load("kexport.targets", name))


def runtime(name: str) -> Runtime:
    """The runtime called ``name``; raises as :func:`target` does."""
    return cast(Runtime, _load("kexport.runtimes", name))


def server(name: str) -> ServingClient:
    """The client of servers of the kind ``name``; raises as :func:`target` does."""
    return cast(ServingClient, _load("kexport.servers", name))


def _load(group: str, name: str) -> Any:
    found = _found(group)
    if name not in found:
        kind = group.removeprefix("kexport.")[:-1]
        raise UsageError(f"There is no {kind} {name!r}.", hint=f"Installed: {', '.join(found) or 'none'}.")
    try:
        return found[name].load()
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"{name} needs the package {error.name!r}, which is not installed.",
            hint=f"pip install 'kexport[{name}]'",
        ) from error
    except (ImportError, AttributeError) as error:
        raise MissingDependencyError(
            f"{name} ({found[name].value}) can't be loaded: {error}.",
            hint="Install the package that provides it again, or another version of it.",
        ) from error
