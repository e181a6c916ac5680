"""The part of every bundle that is the same: the page, the runtime and LiteRT.js, which ``make setup`` builds from ``runtimes/web``
and wheels carry."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from kexport.errors import MissingDependencyError

FOLDER: Final = Path(__file__).parent / "static"

#: In the order a browser prefers them; see runtimes/web/src/engine/features.ts.
BUILDS: Final = ("threads", "simd", "compat")

#: Those that have a core, which is loaded in place of the whole; see runtimes/web/engine/core.mjs.
WITH_CORE: Final = ("simd", "compat")

#: Of the digits of a file's SHA-256 that stand in its name; sw.js knows hashed names by it.
HASH_DIGITS: Final = 12


@dataclass(frozen=True)
class StaticFiles:
    """The files of a folder, and what ``build.json`` says of them."""

    folder: Path

    @cached_property
    def build(self) -> dict[str, Any]:
        """``engine`` (name and version), and by file ``sizes``: raw, gzip and brotli.

        Raises:
            MissingDependencyError: they are not built.
        """
        try:
            built: dict[str, Any] = json.loads((self.folder / "build.json").read_text("utf-8"))
        except FileNotFoundError as error:
            raise MissingDependencyError(
                "The web target needs its runtime, which is part of kexport's wheel and is not built in this checkout.",
                hint="Install Node 20 or later (on Debian: apt install nodejs npm), then run `make setup`.",
            ) from error
        return built

    def read(self, name: str) -> bytes:
        """The contents of a file.

        Raises:
            MissingDependencyError: they are not built, or the build is of another version of kexport.
        """
        if name not in self.build["sizes"]:
            raise MissingDependencyError(
                f"The web target's runtime was built for another version of kexport: it is without {name}.",
                hint="Run `make setup`.",
            )
        return (self.folder / name).read_bytes()

    def sizes(self, name: str) -> dict[str, int]:
        """Bytes of a file: ``raw``, and as a server sends it with ``gzip`` or ``brotli``."""
        sizes: dict[str, int] = self.build["sizes"][name]
        return sizes


def hashed_name(name: str, contents: bytes) -> str:
    """``page.js`` as ``page-0123456789ab.js``."""
    stem, dot, suffix = name.partition(".")
    return f"{stem}-{hashlib.sha256(contents).hexdigest()[:HASH_DIGITS]}{dot}{suffix}"


STATIC: Final = StaticFiles(FOLDER)
