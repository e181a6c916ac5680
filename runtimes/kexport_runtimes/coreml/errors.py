"""What goes wrong with a package. All are ``RuntimeError``s, as a runtime's contract has it."""

from __future__ import annotations


class PackageError(RuntimeError):
    """The package or its program breaks the format: a field, a path, a blob, a name or a type."""


class UnknownOpError(PackageError):
    """The program has an operation that the interpreter does not know, or not in the program's opset."""


class ComputeError(RuntimeError):
    """An operation can't be computed on what reached it, or computed something else than it declares."""
