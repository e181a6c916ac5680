"""TensorFlow: the runtime object that kexport finds by its entry point.

Importing it loads neither NumPy nor the engine: ``kexport --help`` does it. TensorFlow itself is only ever imported by
:mod:`kexport_runtimes.tensorflow.worker`, a program of its own.
"""

from kexport_runtimes.tensorflow.runtime import RUNTIME, TensorFlow

__all__ = ["RUNTIME", "TensorFlow"]
