"""LiteRT, formerly TensorFlow Lite: the runtime object that kexport finds by its entry point.

Importing it loads neither NumPy nor the engine: ``kexport --help`` does it.
"""

from kexport_runtimes.litert.runtime import RUNTIME, LiteRT

__all__ = ["RUNTIME", "LiteRT"]
