"""Names of inputs and outputs that a program has to call otherwise: the model's metadata says which."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

#: The metadata's key: a JSON object of two, ``inputs`` and ``outputs``, each of the model's own names by those in the program.
#: kexport's Core ML target writes it.
KEY: Final = "kexport.names"


class Names:
    """Between a caller's names, which are the model's own, and the program's.

    Args:
        metadata: of the model. What is no such object counts as none.
    """

    def __init__(self, metadata: Mapping[str, str]) -> None:
        both = _object(metadata.get(KEY, ""))
        self._inputs = {own: name for name, own in _texts(both.get("inputs")).items()}
        self._outputs = _texts(both.get("outputs"))

    def to_program(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Inputs by the program's names."""
        return {self._inputs.get(name, name): value for name, value in inputs.items()}

    def to_caller(self, outputs: Mapping[str, Any]) -> dict[str, Any]:
        """Outputs by the model's own names."""
        return {self._outputs.get(name, name): value for name, value in outputs.items()}


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _texts(found: Any) -> dict[str, str]:
    fits = isinstance(found, dict) and all(isinstance(own, str) for own in found.values())
    return found if fits else {}
