"""The ONNX target: ``model.onnx``."""

from kexport_targets.onnx.target import TARGET

__all__ = ["TARGET"]
