"""Web bundles: a folder that runs a model in any browser, made of a .tflite file and LiteRT.js."""

from kexport_targets.web.target import TARGET

__all__ = ["TARGET"]
