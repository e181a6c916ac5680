"""The Core ML target: ``model.mlpackage``."""

from kexport_targets.coreml.target import TARGET

__all__ = ["TARGET"]
