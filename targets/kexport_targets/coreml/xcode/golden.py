"""Golden vectors for the package's tests: ``golden.json`` says what is where in ``golden.bin``, little-endian."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from kexport.contracts import Artifact, Port, Sample
from kexport.ir import Array

DESCRIPTION: Final = "golden.json"
VECTORS: Final = "golden.bin"

#: The least tolerances of compute units, in float32 and with half precision: how far a GPU's or a Neural Engine's own ways to sum may
#: be from the CPU's. Chosen, not measured: no machine of Apple's was at hand.
_LEAST: Final = {
    "cpuOnly": (0.0, 0.0),
    "cpuAndGPU": (1e-4, 1e-2),
    "cpuAndNeuralEngine": (1e-4, 2e-2),
}


def no_vectors() -> dict[str, bytes]:
    """The files of a package whose model has no reference."""
    return {
        DESCRIPTION: _json({"reference": "", "tolerances": {}, "inputs": [], "outputs": []}),
        VECTORS: b"",
    }


def write_golden(artifact: Artifact, folder: Path, sample: Sample) -> None:
    """Put a sample in the place of what :func:`no_vectors` gave; ``folder`` is what the artifact's paths are relative to."""
    place = folder / next(path for path in artifact.files if path.name == DESCRIPTION).parent
    half = "float32_layers" in artifact.details
    for name, contents in vectors(
        artifact.signature.inputs, artifact.signature.outputs, sample, half=half
    ).items():
        (place / name).write_bytes(contents)


def vectors(
    inputs: Sequence[Port], outputs: Sequence[Port], sample: Sample, *, half: bool
) -> dict[str, bytes]:
    """The two files: arrays of float32, int32 and, for images, uint8, by the model's names."""
    raw = bytearray()

    def entries(ports: Sequence[Port], arrays: Mapping[str, Array]) -> list[dict[str, Any]]:
        made = []
        for port in ports:
            array = np.ascontiguousarray(arrays[port.name]).astype(_stored(port))
            entry = {"name": port.name, "shape": list(array.shape), "offset": len(raw)}
            raw.extend(array.tobytes())
            raw.extend(bytes(-len(raw) % 4))
            made.append(entry)
        return made

    given, computed = entries(inputs, sample.inputs), entries(outputs, sample.outputs)
    for entry in computed:
        entry["range"] = float(sample.ranges[entry["name"]])
        entry["bound"] = float(sample.bounds.get(entry["name"], 0.0))
    description = {
        "reference": sample.computed_by,
        "tolerances": {units: max(sample.tolerance, least[half]) for units, least in _LEAST.items()},
        "inputs": given,
        "outputs": computed,
    }
    return {DESCRIPTION: _json(description), VECTORS: bytes(raw)}


def _stored(port: Port) -> np.dtype[Any]:
    if port.pixels is not None:
        return np.dtype("u1")
    return np.dtype("<i4" if port.type.dtype == "int32" else "<f4")


def _json(contents: Mapping[str, Any]) -> bytes:
    return (json.dumps(contents, indent=1, ensure_ascii=True, allow_nan=False) + "\n").encode()
