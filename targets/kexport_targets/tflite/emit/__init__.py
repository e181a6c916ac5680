"""Emission: one rule a graph op, a family a file."""

from kexport_targets.tflite.emit import convolution, elementwise, shape
from kexport_targets.tflite.emit.emitter import Emitter, emits, emittable_ops

__all__ = ["Emitter", "convolution", "elementwise", "emits", "emittable_ops", "shape"]
