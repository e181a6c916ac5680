"""ONNX Runtime, for the operations that NumPy is slow at: one small model an operation, kept from run to run.

The kernels in :mod:`.ops` compute the same and are the reference: they run where ONNX Runtime is not installed, and tests
compare the two.

Field numbers of ONNX's messages: onnx/onnx.proto of onnx 1.16.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kexport_runtimes.coreml.errors import ComputeError
from kexport_runtimes.coreml.registry import Call

Array = NDArray[Any]

#: The opset of the models: it has every operation here in the form that is used.
_OPSET, _IR_VERSION = 13, 8
_FLOAT, _INT_ATTRIBUTE, _INTS_ATTRIBUTE = 1, 2, 7
_ERRORS_ONLY = 3


def computed(
    call: Call,
    op_type: str,
    inputs: Mapping[str, Array | None],
    attributes: Mapping[str, int | Sequence[int]],
) -> Array | None:
    """One ONNX operation on float32, or None where NumPy is to compute it.

    Args:
        call: of the operation; says which arguments never change, and keeps the model.
        op_type: ONNX's name of the operation.
        inputs: by the argument's name, in ONNX's order; None for an optional one that is not given, after which there is none.
        attributes: integers and lists of them.

    Raises:
        ComputeError: the arrays don't fit one another.
    """
    given = {name: array for name, array in inputs.items() if array is not None}
    if (
        not call.accelerate
        or not _is_installed()
        or any(array.dtype != np.float32 for array in given.values())
    ):
        return None
    key = (op_type, tuple((name, tuple(np.atleast_1d(value))) for name, value in attributes.items()))
    try:
        return _run(call, key, op_type, given, attributes)
    except Exception as error:  # the engine's exceptions have no class of their own
        raise ComputeError(f"can't be computed: {error}") from error


def _run(
    call: Call,
    key: Any,
    op_type: str,
    given: Mapping[str, Array],
    attributes: Mapping[str, int | Sequence[int]],
) -> Array:
    if key not in call.memo:
        fixed = {name: array for name, array in given.items() if name in call.constants}
        ranks = {name: array.ndim for name, array in given.items() if name not in fixed}
        call.memo[key] = _session(_model(op_type, list(given), ranks, fixed, attributes), call.threads)
    variable = {name: np.ascontiguousarray(a) for name, a in given.items() if name not in call.constants}
    (result,) = call.memo[key].run(None, variable)
    found: Array = result
    return found


def _is_installed() -> bool:
    return find_spec("onnxruntime") is not None


def _session(model: bytes, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = _ERRORS_ONLY
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _model(
    op_type: str,
    names: Sequence[str],
    ranks: Mapping[str, int],
    fixed: Mapping[str, Array],
    attributes: Mapping[str, int | Sequence[int]],
) -> bytes:
    """A model of one node, with the constants inside it."""
    node = b"".join(_bytes(1, name.encode()) for name in names)
    node += _bytes(2, b"result") + _bytes(4, op_type.encode())
    node += b"".join(_bytes(5, _attribute(name, value)) for name, value in attributes.items())
    graph = _bytes(1, node) + _bytes(2, b"one")
    graph += b"".join(_bytes(5, _tensor(name, array)) for name, array in fixed.items())
    graph += b"".join(_bytes(11, _value(name, rank)) for name, rank in ranks.items())
    graph += _bytes(12, _bytes(1, b"result") + _bytes(2, _bytes(1, _number(1, _FLOAT))))
    return _number(1, _IR_VERSION) + _bytes(7, graph) + _bytes(8, _bytes(1, b"") + _number(2, _OPSET))


def _attribute(name: str, value: int | Sequence[int]) -> bytes:
    if isinstance(value, int):
        return _bytes(1, name.encode()) + _number(3, value) + _number(20, _INT_ATTRIBUTE)
    numbers = b"".join(_number(8, item) for item in value)
    return _bytes(1, name.encode()) + numbers + _number(20, _INTS_ATTRIBUTE)


def _tensor(name: str, array: Array) -> bytes:
    dims = b"".join(_number(1, size) for size in array.shape)
    data = np.ascontiguousarray(array, "<f4").tobytes()
    return dims + _number(2, _FLOAT) + _bytes(8, name.encode()) + _bytes(9, data)


def _value(name: str, rank: int) -> bytes:
    """An input of open sizes."""
    dims = b"".join(_bytes(1, _bytes(2, f"{name}{axis}".encode())) for axis in range(rank))
    return _bytes(1, name.encode()) + _bytes(2, _bytes(1, _number(1, _FLOAT) + _bytes(2, dims)))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, data: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    """An unsigned number; a negative one as 64 bits."""
    value &= 0xFFFF_FFFF_FFFF_FFFF
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
