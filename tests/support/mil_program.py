"""Writes .mlpackage folders field by field, right and wrong ones, for tests of what reads them.

Field numbers: mlmodel/format/MIL.proto, Model.proto and FeatureTypes.proto of coremltools 9.0.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

CODES = {"bool": 1, "str": 2, "float16": 10, "float32": 11, "int8": 21, "int32": 23, "int64": 24, "uint8": 31}
BLOBS = {"float16": 1, "float32": 2, "uint8": 3, "int8": 4}
FEATURES = {"float32": 65568, "int32": 131104, "float16": 65552}


def varint(value: int) -> bytes:
    value &= 2**64 - 1
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def field(number: int, value: int | bytes | str) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def entry(number: int, key: str, value: bytes) -> bytes:
    """One of a map."""
    return field(number, field(1, key) + field(2, value))


def tensor_type(dtype: str, shape: Sequence[int | None], rank: int | None = None) -> bytes:
    sizes = [field(1, field(1, size)) if size is not None else field(2, b"") for size in shape]
    body = field(1, CODES[dtype]) + field(2, len(shape) if rank is None else rank)
    return field(1, body + b"".join(field(3, size) for size in sizes))


def variadic_type(dtype: str) -> bytes:
    """A tensor whose rank is not known."""
    return field(1, field(1, CODES[dtype]) + field(2, 1) + field(3, field(2, field(1, 1))))


def immediate(value: Any) -> bytes:
    """A ``Value`` in the program."""
    array = np.asarray(value)
    dtype = "str" if array.dtype.kind == "U" else array.dtype.name
    if array.dtype.kind == "U":
        body = field(4, b"".join(field(1, str(item)) for item in array.reshape(-1)))
    elif dtype == "bool":
        body = field(3, field(1, bytes(array.reshape(-1).tolist())))
    elif dtype == "int32":
        body = field(2, field(1, b"".join(varint(int(item)) for item in array.reshape(-1))))
    elif dtype == "float32":
        body = field(1, field(1, array.tobytes()))
    else:
        body = field(7, field(1, array.tobytes()))
    return field(2, tensor_type(dtype, array.shape)) + field(3, field(1, body))


def blob(
    dtype: str, shape: Sequence[int], offset: int, file: str = "@model_path/weights/weight.bin"
) -> bytes:
    """A ``Value`` in a weight file."""
    return field(2, tensor_type(dtype, shape)) + field(5, field(1, file) + field(2, offset))


def named(name: str, value_type: bytes) -> bytes:
    return field(1, name) + field(2, value_type)


def operation(
    kind: str,
    arguments: Mapping[str, str | bytes | Sequence[str]],
    outputs: Mapping[str, bytes],
    attributes: Mapping[str, bytes] | None = None,
    blocks: Sequence[bytes] = (),
) -> bytes:
    """Arguments are names, several names, or constants (``bytes``)."""
    body = field(1, kind)
    for name, value in arguments.items():
        items = [value] if isinstance(value, str | bytes) else value
        bindings = [field(2, item) if isinstance(item, bytes) else field(1, item) for item in items]
        body += entry(2, name, b"".join(field(1, binding) for binding in bindings))
    body += b"".join(field(3, named(name, of)) for name, of in outputs.items())
    body += b"".join(field(4, block) for block in blocks)
    return body + b"".join(entry(5, name, value) for name, value in (attributes or {}).items())


def constant(name: str, value: Any) -> bytes:
    """A ``const`` operation, its value in the program."""
    array = np.asarray(value)
    dtype = "str" if array.dtype.kind == "U" else array.dtype.name
    return operation("const", {}, {name: tensor_type(dtype, array.shape)}, {"val": immediate(array)})


def block(
    operations: Sequence[bytes], outputs: Sequence[str], inputs: Mapping[str, bytes] | None = None
) -> bytes:
    body = b"".join(field(1, named(name, of)) for name, of in (inputs or {}).items())
    return (
        body + b"".join(field(2, name) for name in outputs) + b"".join(field(3, item) for item in operations)
    )


def function(inputs: Mapping[str, bytes], body: bytes, opset: str = "CoreML6") -> bytes:
    named_inputs = b"".join(field(1, named(name, of)) for name, of in inputs.items())
    return named_inputs + field(2, opset) + entry(3, opset, body)


def array_feature(
    name: str, dtype: str, shape: Sequence[int], flexibility: bytes = b"", *, optional: bool = False
) -> bytes:
    sizes = b"".join(field(1, size) for size in shape)
    body = field(5, sizes + field(2, FEATURES[dtype]) + flexibility)
    return field(1, name) + field(3, body + (field(1000, 1) if optional else b""))


def model(inputs: Sequence[bytes], outputs: Sequence[bytes], program: bytes) -> bytes:
    """A ``Model`` of an ML program."""
    description = b"".join(field(1, item) for item in inputs) + b"".join(field(10, item) for item in outputs)
    return field(1, 7) + field(2, description) + field(502, field(1, 1) + program)


def package(folder: Path, content: bytes, weights: bytes | None = None, manifest: Any = None) -> Path:
    """Write a package."""
    path = folder / "model.mlpackage"
    inner = path / "Data" / "com.apple.CoreML"
    (inner / "weights").mkdir(parents=True, exist_ok=True)
    (inner / "model.mlmodel").write_bytes(content)
    if weights is not None:
        (inner / "weights" / "weight.bin").write_bytes(weights)
    root = {"path": "com.apple.CoreML/model.mlmodel"}
    default = {"rootModelIdentifier": "a", "itemInfoEntries": {"a": root}}
    (path / "Manifest.json").write_text(
        manifest if isinstance(manifest, str) else json.dumps(manifest or default)
    )
    return path


def weight_file(array: np.ndarray, **wrong: int) -> bytes:
    """A file of one blob, whose record is at 64; fields of the record may be given wrong."""
    data = array.tobytes()
    record = {
        "sentinel": 0xDEADBEEF,
        "dtype": BLOBS[array.dtype.name],
        "size": len(data),
        "start": 128,
    } | wrong
    header = struct.pack("<II", 1, wrong.get("version", 2)).ljust(64, b"\0")
    parts = struct.pack("<IIQQ", record["sentinel"], record["dtype"], record["size"], record["start"])
    return header + parts.ljust(64, b"\0") + data


def one_operation(
    folder: Path,
    kind: str,
    inputs: Mapping[str, np.ndarray],
    constants: Mapping[str, Any],
    output: tuple[str, Sequence[int | None]],
    opset: str = "CoreML6",
) -> Path:
    """A package of one operation on its inputs, put out as ``y``."""
    types = {name: tensor_type(array.dtype.name, array.shape) for name, array in inputs.items()}
    dtype, shape = output
    arguments: dict[str, str | bytes] = {name: name for name in inputs}
    arguments |= {name: immediate(value) for name, value in constants.items()}
    body = block([operation(kind, arguments, {"y": tensor_type(dtype, shape)})], ["y"])
    features = [array_feature(name, array.dtype.name, array.shape) for name, array in inputs.items()]
    outputs = [array_feature("y", dtype, [size or 0 for size in shape] if None not in shape else [])]
    return package(folder, model(features, outputs, entry(2, "main", function(types, body, opset))))
