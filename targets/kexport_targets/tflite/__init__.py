"""TF Lite: the target object that kexport finds by its entry point."""

from kexport_targets.tflite.target import TARGET

__all__ = ["TARGET"]
