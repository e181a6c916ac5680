"""``model.json``: what a bundle's model takes and gives, and which files it is made of. ``runtimes/web/src/description.ts`` reads it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from kexport import __version__
from kexport.contracts import Companions, Port, Sample, Signature
from kexport.ir import Array, Constant, TensorType, Value
from kexport_targets.tflite.writer import contents
from kexport_targets.web.activation_map import through
from kexport_targets.web.layers import Exposed, WebGraph
from kexport_targets.web.vocabulary import rows_read

FORMAT_VERSION: Final = 1

#: More golden samples than that nobody chooses from.
MOST_EXAMPLES: Final = 15


def describe(graph: WebGraph, exposed: Exposed | None) -> dict[str, Any]:
    """What a graph says of its model; files and what companions know is added later."""
    types = dict(zip(exposed.graph.output_names, exposed.graph.outputs, strict=True)) if exposed else {}
    names = exposed.names if exposed else {}
    rows = rows_read(graph)
    return {
        "format": FORMAT_VERSION,
        "kexport": __version__,
        "name": graph.name,
        "inputs": [
            _port(n, v.type) | ({"rows": rows[n]} if n in rows else {})
            for n, v in zip(graph.input_names, graph.inputs, strict=True)
        ],
        "outputs": [
            _port(n, v.type) | {"shares": _is_of_shares(v)}
            for n, v in zip(graph.output_names, graph.outputs, strict=True)
        ],
        "layers": [
            {
                "path": call.key,
                "class": "",
                "inputs": list(call.inputs),
                "output": _port(names[call.key], types[names[call.key]].type) if call.key in names else None,
            }
            for call in graph.calls
        ],
        "activationMap": _port(exposed.map, types[exposed.map].type) if exposed and exposed.map else None,
        "labels": None,
        "vocabulary": None,
        "preprocessing": None,
        "golden": None,
    }


def _is_of_shares(value: Value) -> bool:
    """Whether an output's numbers are shares of 1."""
    node = through(value, ("reshape",))
    return node is not None and node.op in ("softmax", "sigmoid")


def _port(name: str, tensor_type: TensorType) -> dict[str, Any]:
    return {"name": name, "dtype": tensor_type.dtype, "shape": list(tensor_type.shape)}


def file_entry(name: str, raw: bytes) -> dict[str, Any]:
    """A file of the bundle: its name, size and SHA-256."""
    return {"file": name, "bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}


def add_companions(description: dict[str, Any], about: Companions) -> None:
    """Add what the graph does not say: the model's name, the classes of its layers."""
    description["name"] = about.model.get("name") or description["name"]
    for layer in description["layers"]:
        path = layer["path"].partition("#")[0]
        called = path.rpartition(":")
        layer["class"] = about.classes.get(path) or about.classes.get(called[0], "")


def golden_entry(about: Companions, signature: Signature) -> tuple[dict[str, Any], bytes] | None:
    """The golden sample and what a browser needs to judge by it: the entry (without its file), and the file's bytes. None where there is
    no reference."""
    if about.sample is None:
        return None
    entry = {
        "reference": about.sample.computed_by,
        "tolerance": about.sample.tolerance,
        "outputs": {
            port.name: {
                "range": about.sample.ranges[port.name],
                "bound": about.sample.bounds.get(port.name, 0.0),
            }
            for port in signature.outputs
        },
        "examples": None,
    }
    return entry, sample_bytes(about.sample, signature)


def example_bytes(about: Companions, signature: Signature, most: int) -> tuple[int, bytes]:
    """How many of the other golden samples there is room for in ``most`` bytes (and :data:`MOST_EXAMPLES`), and their bytes."""
    found: list[bytes] = []
    left = most
    for sample in about.examples[:MOST_EXAMPLES]:
        raw = sample_bytes(sample, signature)
        left -= len(raw)
        if left < 0:
            break
        found.append(raw)
    return len(found), b"".join(found)


def sample_bytes(sample: Sample, signature: Signature) -> bytes:
    """Inputs before outputs, in the signature's order."""
    return b"".join(
        [
            *(_raw(sample.inputs[port.name], port) for port in signature.inputs),
            *(_raw(sample.outputs[port.name], port) for port in signature.outputs),
        ]
    )


def _raw(array: Array, port: Port) -> bytes:
    return bytes(contents(Constant.of(np.ascontiguousarray(array), port.type.dtype)))


def write_description(description: Mapping[str, Any]) -> str:
    """JSON that depends on nothing but ``description``."""
    return json.dumps(description, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
