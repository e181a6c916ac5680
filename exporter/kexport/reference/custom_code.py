"""Code that belongs to a model: handed over by the user, or in the file and trusted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Code:
    """What may be run beside the file, in the reference process.

    Attributes:
        custom_objects: a Python file that defines classes and functions.
        expressions: ``NAME=EXPRESSION`` each: ``<lambda>=relu(max_value=20)``.
        trust_lambda: whether the Python code that the model file holds is run.
    """

    custom_objects: Path | None = None
    expressions: tuple[str, ...] = ()
    trust_lambda: bool = False

    def __bool__(self) -> bool:
        return self.custom_objects is not None or bool(self.expressions) or self.trust_lambda

    def arguments(self) -> list[str]:
        """The recorder's command line for it."""
        found = [] if self.custom_objects is None else ["--custom-objects", str(self.custom_objects)]
        for expression in self.expressions:
            found += ["--custom-object", expression]
        return [*found, "--trust-lambda"] if self.trust_lambda else found
