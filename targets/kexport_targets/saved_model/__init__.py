"""The SavedModel target, and the frozen graph inside it as one of its own."""

from kexport_targets.saved_model.target import FROZEN_GRAPH, TARGET

__all__ = ["FROZEN_GRAPH", "TARGET"]
