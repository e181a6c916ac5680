"""What the tests in a browser need of the machine."""

from __future__ import annotations

import pytest

from kexport_runtimes.browser import RUNTIME
from kexport_targets.web.static_files import FOLDER


@pytest.fixture(scope="session")
def browser() -> None:
    """There is a browser, and the runtime of bundles is built."""
    why = RUNTIME.available()
    if why is not None:
        pytest.fail(f"{why} `make browser` installs one where it may.")
    if not (FOLDER / "build.json").exists():
        pytest.fail("The runtime of web bundles is not built: `make setup` does it, with Node 20 or later.")
