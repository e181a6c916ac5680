"""What of the conformance table a bundle's page computes on WebGPU, as it was seen, and why it does not compute the rest there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

_FILE: Final = Path(__file__).with_name("on_webgpu.json")
_READ: Final[dict[str, Any]] = json.loads(_FILE.read_text("utf-8"))

#: With what it was seen.
SEEN_WITH: Final[str] = _READ["seen_with"]

#: By case: :data:`COMPUTED`, :data:`NO_KERNEL` or :data:`OTHER_NUMBERS`.
SEEN: Final[dict[str, str]] = _READ["cases"]

COMPUTED: Final = "computed"
NO_KERNEL: Final = "no kernel"
OTHER_NUMBERS: Final = "other numbers"


def kind_of(problem: str) -> str:
    """Which of them it is, by what the page says of its attempt on WebGPU (nothing: it computes there)."""
    if not problem:
        return COMPUTED
    return OTHER_NUMBERS if "golden sample comes out wrong" in problem else NO_KERNEL
