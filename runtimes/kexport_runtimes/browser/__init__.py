"""Web bundles in a real browser, without a window: the runtime object that kexport finds by its entry point.

Importing it loads neither NumPy nor looks for a browser: ``kexport --help`` does it.
"""

from kexport_runtimes.browser.runtime import RUNTIME, Browser

__all__ = ["RUNTIME", "Browser"]
