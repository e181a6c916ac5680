"""Numbers of the format, as onnx/onnx.proto (v1.16) has them; a test holds them against the installed package."""

from __future__ import annotations

from typing import Final

#: ``TensorProto.DataType``.
TENSOR_TYPES: Final = {
    "float32": 1,
    "uint8": 2,
    "int8": 3,
    "uint16": 4,
    "int16": 5,
    "int32": 6,
    "int64": 7,
    "string": 8,
    "bool": 9,
    "float16": 10,
    "float64": 11,
    "uint32": 12,
    "uint64": 13,
    "bfloat16": 16,
}

#: Opset → the lowest version of the file format that it goes with (onnx/helper.py, ``VERSION_TABLE``).
IR_VERSIONS: Final = {
    13: 7, 14: 7, 15: 8, 16: 8, 17: 8, 18: 8, 19: 9, 20: 9,
    21: 10, 22: 10, 23: 11, 24: 12, 25: 13, 26: 13, 27: 13, 28: 14,
}  # fmt: skip

#: Operators of the other domain, and the version of its set that has them.
ML_DOMAIN: Final = "ai.onnx.ml"
ML_OPERATORS: Final = frozenset(["LabelEncoder"])
ML_OPSET: Final = 2

OLDEST_OPSET: Final = min(IR_VERSIONS)
NEWEST_OPSET: Final = max(IR_VERSIONS)
DEFAULT_OPSET: Final = 17
