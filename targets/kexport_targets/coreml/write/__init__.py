"""Writing: the bytes of a package."""

from kexport_targets.coreml.write.package import Description, Feature, Package, Written

__all__ = ["Description", "Feature", "Package", "Written"]
