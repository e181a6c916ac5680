"""Names in a program: letters, digits and underlines, not a digit first (``NameSanitizer`` in coremltools, 9.0)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from kexport_targets.coreml.schema import RESERVED


class Names:
    """Hands out the names of a program; ``reserved`` ones are never given."""

    def __init__(self, reserved: Sequence[str] = ()) -> None:
        self._taken: set[str] = set(reserved)
        self._next: dict[str, int] = {}

    def fresh(self, text: str) -> str:
        """A name that is not taken: ``text`` where it may be one, else as near to it as may be."""
        base = plain_name(text)
        name, count = base, self._next.get(base, 0)
        while name in self._taken:
            name = f"{base}_{count}"
            count += 1
        self._next[base] = count
        self._taken.add(name)
        return name


def plain_name(text: str) -> str:
    """``text`` in the characters of names; the same where it has no others."""
    name = re.sub(r"[^A-Za-z0-9_]", "_", text)
    if not name or name[0].isdigit():
        name = f"_{name}"
    return f"{name}_" if name in RESERVED else name
