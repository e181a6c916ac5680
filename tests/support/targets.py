"""The targets that tables of models are run on."""

from __future__ import annotations

from kexport import plugins

#: A frozen graph is the GraphDef of the SavedModel, byte for byte (tests/targets/saved_model/test_files.py).
SAME_GRAPH = {"frozen_graph": "saved_model"}

TARGETS = tuple(name for name in plugins.target_names() if name not in SAME_GRAPH)
