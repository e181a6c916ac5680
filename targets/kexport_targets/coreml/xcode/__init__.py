"""``--xcode``: a Swift package around the model, with a typed wrapper and tests that run golden vectors on the device."""

from kexport_targets.coreml.xcode.golden import write_golden
from kexport_targets.coreml.xcode.project import Project, project

__all__ = ["Project", "project", "write_golden"]
