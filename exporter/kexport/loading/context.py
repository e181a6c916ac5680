"""What all parts of a loader share: who wrote the model, what to call it in an error, and checked access to JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kexport.errors import CodeModelError, ModelReadError
from kexport.loading.spec import Provenance

MAX_NESTING = 48
"""Models and wrappers inside each other; Keras itself recurses several Python frames a level."""

OTHER_WEIGHTS_HINT = "Use the weights that were saved with this very architecture."


@dataclass(frozen=True)
class Context:
    """A load in progress.

    Attributes:
        label: what the user calls the model: its path, or its name when it is live.
        provenance: who wrote it.
        trained_on: the backend that trained the model: as the file says, else as the user does; ``""`` unknown.
        input_shape: for a Sequential model without one: the shape of one sample (None for an unknown dimension).
        orderings: the values of ``dim_ordering`` in a Keras 1 model, for its layers that don't save theirs.
    """

    label: str
    provenance: Provenance
    trained_on: str = ""
    input_shape: tuple[int | None, ...] | None = None
    orderings: frozenset[str] = frozenset()

    def error(self, problem: str, *, hint: str | None = None) -> ModelReadError:
        """An error about the model as a whole, to raise."""
        return ModelReadError(f"{self.label}: {problem}.", hint=hint)

    def code_error(self, problem: str, *, hint: str) -> CodeModelError:
        """An error about a model that is code, to raise."""
        error = CodeModelError(f"{self.label}: {problem}.", hint=hint)
        error.provenance = self.provenance
        return error

    def misfit(
        self, path: str, name: str, expected: Sequence[int | None] | None, received: Sequence[int]
    ) -> ModelReadError:
        """The error about a weight whose shape is not what its layer's config asks for."""
        dims = (
            "any"
            if expected is None
            else "(" + ", ".join("?" if d is None else str(d) for d in expected) + ")"
        )
        return self.error(
            f"The weights of layer {path!r} don't fit: its {name} must have the shape {dims}. Received: {tuple(received)}",
            hint=OTHER_WEIGHTS_HINT,
        )

    def mapping(self, value: object, what: str) -> Mapping[str, Any]:
        """``value``, which must be a JSON object."""
        if not isinstance(value, Mapping):
            raise self.error(f"{what} must be a JSON object. Received: {shorten(value)}")
        return value

    def sequence(self, value: object, what: str) -> list[Any]:
        """``value``, which must be a JSON array."""
        if not isinstance(value, list | tuple):
            raise self.error(f"{what} must be a JSON array. Received: {shorten(value)}")
        return list(value)

    def text(self, value: object, what: str) -> str:
        """``value``, which must be a string that is not empty."""
        if not isinstance(value, str) or not value:
            raise self.error(f"{what} must be a name. Received: {shorten(value)}")
        return value

    def integer(self, value: object, what: str) -> int:
        """``value``, which must be an integer of at least 0."""
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self.error(f"{what} must be an integer of at least 0. Received: {shorten(value)}")
        return value


def shorten(value: object, limit: int = 120) -> str:
    """``repr(value)``, cut: what a file holds may be of any length."""
    text = repr(value[:limit] if isinstance(value, str | bytes | list | tuple) else value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
