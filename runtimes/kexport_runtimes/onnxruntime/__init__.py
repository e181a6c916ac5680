"""ONNX Runtime: the runtime object that kexport finds by its entry point.

Importing it loads neither NumPy nor the engine: ``kexport --help`` does it.
"""

from kexport_runtimes.onnxruntime.runtime import RUNTIME, ONNXRuntime

__all__ = ["RUNTIME", "ONNXRuntime"]
