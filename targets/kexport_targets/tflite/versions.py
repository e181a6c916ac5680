"""The lowest version of each builtin that has what a node uses.

Source: tensorflow/lite/tools/versioning/op_version.cc (GetBuiltinOperatorVersion), TensorFlow commit 02087409073e. Old
runtimes refuse a version that they don't know, whatever the model uses of it.
"""

from __future__ import annotations

from kexport.ir import Node

#: builtin → dtype of input 0 → version; dtypes that are not named are 1.
_BY_DTYPE: dict[str, dict[str, int]] = {
    "MUL": {"int8": 2, "int64": 5, "int16": 7, "uint32": 7},
    "ADD": {"int8": 2, "int64": 4, "int16": 5},
    "SUB": {"int8": 2, "int64": 4},
    "SIGN": {"int32": 2},
    "ABS": {"int8": 2, "uint8": 2, "int16": 4, "int32": 5},
    "FLOOR_DIV": {"float32": 2, "int8": 3, "int16": 3},
    "FLOOR_MOD": {"int8": 2, "int16": 2},
    "MAXIMUM": {"int8": 2, "int16": 4},
    "MINIMUM": {"int8": 2, "int16": 4},
    "EQUAL": {"int8": 2, "string": 3, "int16": 4},
    "NOT_EQUAL": {"int8": 2, "string": 3},
    "LESS": {"int8": 2, "int16": 3},
    "GREATER_EQUAL": {"int8": 2, "int16": 3},
    "GREATER": {"int8": 2},
    "LESS_EQUAL": {"int8": 2},
    "SQUARED_DIFFERENCE": {"int8": 2},
    "SELECT_V2": {"uint32": 2},
    "SUM": {"int8": 2},
    "MEAN": {"int8": 2, "int16": 3},
    "REDUCE_MAX": {"int8": 2, "int16": 3},
    "REDUCE_MIN": {"int8": 2, "int16": 3},
    "REDUCE_PROD": {"int8": 2, "int16": 2},
    "ARG_MAX": {"int8": 2, "bool": 3},
    "ARG_MIN": {"int8": 2, "bool": 3},
    "CONCATENATION": {"int8": 2, "int16": 3, "uint32": 4},
    "MIRROR_PAD": {"int8": 2, "int16": 3},
    "REVERSE_V2": {"bool": 2, "int8": 3},
    "TILE": {"string": 2, "int8": 3},
    "TOPK_V2": {"int8": 2},
    "BROADCAST_TO": {"int8": 3, "int16": 3},
    "SQUEEZE": {"string": 2},
    "SPLIT": {"int8": 2, "int32": 3, "int16": 4},
    "SPLIT_V": {"int8": 2},
    "RESIZE_BILINEAR": {},
    "GATHER": {"int8": 2, "bool": 3, "int16": 4},
    "PACK": {"int8": 2, "int16": 3, "uint32": 4},
    "STRIDED_SLICE": {"int8": 2, "bool": 3, "string": 5, "uint32": 7},
    "TRANSPOSE": {"int8": 2, "bool": 3, "int16": 5},
    "PAD": {"int8": 2, "int16": 3},
    "PADV2": {"int8": 2, "int16": 3},
}

#: builtin → (ranks above this, need version), for any of the inputs.
_BY_RANK: dict[str, tuple[tuple[int, int], ...]] = {
    "TRANSPOSE": ((4, 4), (5, 6)),
    "PAD": ((4, 4),),
    "PADV2": ((4, 4),),
    "STRIDED_SLICE": ((4, 4),),
}

#: Those that broadcast more than four dimensions only from a version on.
_BROADCAST_RANK: dict[str, int] = {"MAXIMUM": 3, "MINIMUM": 3, "SUB": 3, "DIV": 2}

#: Those that no runtime has a first version of (register.cc: "the version one was rollbacked").
_LEAST: dict[str, int] = {"BROADCAST_TO": 2}

_CAST: dict[str, int] = {"uint32": 2, "int8": 3, "uint16": 4, "float64": 5, "float16": 5, "bfloat16": 7}


def version_of(builtin: str, node: Node) -> int:
    """The version for ``node``'s dtypes and ranks; versions that its options ask for are its rule's affair."""
    values = [value for value in node.inputs if value is not None]
    if builtin == "CAST":
        return max(_CAST.get(dtype, 1) for dtype in (values[0].dtype, node.output.dtype))
    typed = values[1] if builtin == "SELECT_V2" else values[0]
    version = _BY_DTYPE.get(builtin, {}).get(typed.dtype, _LEAST.get(builtin, 1))
    rank = max(value.rank for value in values)
    for above, needed in _BY_RANK.get(builtin, ()):
        if rank > above:
            version = max(version, needed)
    if builtin in _BROADCAST_RANK and rank > 4 and len({value.shape for value in values}) > 1:
        version = max(version, _BROADCAST_RANK[builtin])
    return version
