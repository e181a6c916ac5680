"""What all tests share."""

from __future__ import annotations

import os

from support.making import CACHE


def pytest_configure() -> None:
    """Tests see no frameworks that the user set up, but those that they ask `support.real_backends` for."""
    os.environ["KEXPORT_BACKENDS"] = str(CACHE / "no_backends")
