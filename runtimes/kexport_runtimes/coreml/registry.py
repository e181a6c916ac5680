"""Kernels by operation and opset.

A kernel is a function that computes one operation; its parameters are the operation's arguments, under MIL's names and
with MIL's defaults. A family of operations is a file in :mod:`.ops`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from kexport_runtimes.coreml.errors import PackageError, UnknownOpError
from kexport_runtimes.coreml.program import Block, Operation, ValueType

#: The opsets, by the number in a function's ``CoreML5``.
OPSETS = {4: "iOS13", 5: "iOS15", 6: "iOS16", 7: "iOS17", 8: "iOS18", 9: "iOS26"}
_NUMBERS = {name: number for number, name in OPSETS.items()}


def _no_block(block: Block, inputs: Sequence[Any]) -> list[Any]:
    raise PackageError("is run by an interpreter, which computes its blocks.")


@dataclass
class Call:
    """What a kernel may see besides its arguments, if its first parameter is called ``call``.

    Attributes:
        operation: as the program has it.
        opset: the number of the function's opset.
        types: of the outputs, as declared.
        constants: names of the arguments that are the same in every run.
        memo: kept from run to run, for what a kernel prepares from its constant arguments.
        accelerate: whether another library may compute, where it gives the same numbers up to rounding.
        run_block: computes a block of the operation on the given inputs.
        threads: how many of that library.
    """

    operation: Operation
    opset: int
    types: Sequence[ValueType]
    constants: frozenset[str]
    accelerate: bool
    threads: int
    run_block: Callable[[Block, Sequence[Any]], list[Any]] = _no_block
    memo: dict[Any, Any] = field(default_factory=dict)


class Kernel(Protocol):
    """Arguments by name: NumPy arrays, ``str`` for text, lists for what takes several values.

    fp16 and fp32 arrive as float32, the types of less than 8 bits as int8 and uint8. Returns one value, or a tuple of as
    many as the operation has outputs. Shapes and types are held against the declared ones afterwards.
    """

    def __call__(self, *args: Any, **arguments: Any) -> Any:
        """Compute."""
        ...


@dataclass(frozen=True)
class Entry:
    """A kernel and what its signature says.

    Attributes:
        kernel: the function.
        since: the number of the first opset that has this version.
        takes_call: whether its first parameter is a :class:`Call`.
        arguments: the names it takes.
        required: those without a default.
    """

    kernel: Kernel
    since: int
    takes_call: bool
    arguments: frozenset[str]
    required: frozenset[str]


F = TypeVar("F", bound=Callable[..., Any])

_ENTRIES: dict[str, list[Entry]] = {}


def op(*names: str, since: str = "iOS13") -> Callable[[F], F]:
    """Register a kernel.

    Args:
        names: of the operations it computes.
        since: the opset from which on this version is the operation's.

    Raises:
        ValueError: an operation has a kernel of that opset already.
    """

    def decorate(kernel: F) -> F:
        for name in names:
            register(name, kernel, since=since)
        return kernel

    return decorate


def register(name: str, kernel: Kernel, *, since: str = "iOS13") -> None:
    """What :func:`op` does, for kernels that come from tables."""
    parameters = list(inspect.signature(kernel).parameters.values())
    takes_call = bool(parameters) and parameters[0].name == "call"
    arguments = parameters[1:] if takes_call else parameters
    entry = Entry(
        kernel=kernel,
        since=_NUMBERS[since],
        takes_call=takes_call,
        arguments=frozenset(item.name for item in arguments),
        required=frozenset(item.name for item in arguments if item.default is inspect.Parameter.empty),
    )
    versions = _ENTRIES.setdefault(name, [])
    if any(other.since == entry.since for other in versions):
        raise ValueError(f"{name} has one kernel an opset. Registered twice: {since}")
    versions.append(entry)
    versions.sort(key=lambda version: version.since)


def find(name: str, opset: int) -> Entry:
    """The kernel of an operation in an opset.

    Raises:
        UnknownOpError: there is none.
    """
    versions = [entry for entry in _ENTRIES.get(name, ()) if entry.since <= opset]
    if versions:
        return versions[-1]
    where = OPSETS.get(opset, f"CoreML{opset}")
    if name in _ENTRIES:
        first = OPSETS[_ENTRIES[name][0].since]
        raise UnknownOpError(f"{name} is an operation since {first}. Received: a function of opset {where}")
    raise UnknownOpError(
        f"The interpreter does not know {name} (opset {where}). It knows: {', '.join(sorted(_ENTRIES))}"
    )


def check_arguments(entry: Entry, operation: Operation, given: Mapping[str, Any]) -> None:
    """Hold an operation's arguments against its kernel's parameters.

    Raises:
        PackageError: one is unknown or missing.
    """
    unknown = sorted(set(given) - entry.arguments)
    missing = sorted(entry.required - set(given))
    if unknown or missing:
        raise PackageError(
            f"{operation.name} takes {', '.join(sorted(entry.arguments))}. "
            f"Unknown: {', '.join(unknown) or 'none'}; missing: {', '.join(missing) or 'none'}"
        )


def known() -> dict[str, list[str]]:
    """Every operation the interpreter knows, with the opsets that brought a version of it."""
    return {name: [OPSETS[entry.since] for entry in _ENTRIES[name]] for name in sorted(_ENTRIES)}
