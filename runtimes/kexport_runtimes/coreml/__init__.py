"""Core ML: the runtime objects that kexport finds by their entry points.

Importing it loads neither NumPy nor an engine: ``kexport --help`` does it.
"""

from kexport_runtimes.coreml.runtime import INTERPRETER, RUNTIME, CoreML

__all__ = ["INTERPRETER", "RUNTIME", "CoreML"]
