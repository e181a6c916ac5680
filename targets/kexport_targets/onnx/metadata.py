"""What a file says of itself: who wrote it, and of which model."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

from kexport.ir import Graph

#: Entry of ``Graph.provenance`` → key in the file.
_KEYS: Final = {
    "name": "keras.model",
    "class_name": "keras.class",
    "file": "keras.file",
    "sha256": "keras.sha256",
    "weights_file": "keras.weights_file",
    "weights_sha256": "keras.weights_sha256",
    "library": "keras.library",
    "keras_version": "keras.version",
    "backend": "keras.backend",
}


@dataclass(frozen=True)
class Metadata:
    """Fields of ``ModelProto`` (onnx/onnx.proto)."""

    producer_version: str
    doc_string: str
    properties: dict[str, str]
    producer_name: str = "kexport"
    domain: str = "kexport"
    model_version: int = 1


def metadata_of(graph: Graph) -> Metadata:
    """Of a graph's names and provenance."""
    own, known = version("kexport"), graph.provenance
    properties = {
        "kexport": own,
        "keras.inputs": json.dumps(graph.input_names, ensure_ascii=False),
        "keras.outputs": json.dumps(graph.output_names, ensure_ascii=False),
        **{key: known[name] for name, key in _KEYS.items() if known.get(name)},
    }
    writer = " ".join(filter(None, ("Keras", known.get("keras_version"))))
    described = f"The {writer} model {known.get('name') or graph.name!r}"
    source = f" of the file {known['file']}" if known.get("file") else ""
    return Metadata(own, f"{described}{source}, exported by kexport {own}.", dict(sorted(properties.items())))
